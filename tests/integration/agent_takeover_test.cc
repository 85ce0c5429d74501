// Another device plugin on the node, and one agent after another.
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/object_meta.h"
#include "k8s/kubelet/registration.h"
#include "k8s/kubelet/server.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/kubelet/recording_handler.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using doubles::eventually;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

/// NVIDIA's device plugin, as far as the node can tell: its socket's name, its
/// ids, and a process that is not an agent of ours.
class AgentTakeOver : public AgentTest {
 protected:
  ~AgentTakeOver() override { stranger_.reset(); }

  std::vector<kubelet::Device> devices() {
    std::vector<kubelet::Device> all;
    for (const std::string& id : ids_) all.push_back({id, true, {}});
    return all;
  }

  /// Learns the ids that a node's devices have: an agent alone tells.
  void learn_ids() {
    write_config(kSeedConfig);  // Twenty shares: room for several Pods.
    start_kubelet();
    start_agent();
    const auto list = kubelet().wait_for_list(
        kGpu, [](const auto& got) { return !got.devices.empty(); });
    ASSERT_TRUE(list);
    for (const auto& device : list->devices) ids_.push_back(device.id);
    agent().signal(SIGTERM);
    ASSERT_EQ(agent().wait(), 0);
  }

  /// The stranger serves and registers, whoever was there before it.
  void start_stranger() {
    if (!stranger_) {
      auto started = kubelet::DevicePluginServer::start();
      ASSERT_TRUE(started);
      stranger_ = std::move(*started);
    }
    ASSERT_TRUE(stranger_->add(kGpu, plugins().file("nvidia-gpu.sock"),
                               std::make_shared<doubles::RecordingHandler>(),
                               devices()));
    ASSERT_TRUE(kubelet::register_plugin(kubelet().socket(),
                                         {"nvidia-gpu.sock", kGpu},
                                         std::chrono::seconds(20)));
  }

  std::unique_ptr<kubelet::DevicePluginServer> stranger_;
  std::vector<std::string> ids_;
};

TEST_F(AgentTakeOver, AStrangerIsNamedAndWaitedFor) {
  learn_ids();
  start_stranger();
  ASSERT_TRUE(registered(kGpu, 2));
  start_agent();
  EXPECT_TRUE(says("another device plugin ("));
  EXPECT_TRUE(says(", process " + std::to_string(::getpid()) + ")"));
  EXPECT_THAT(page("/readyz"), AllOf(HasSubstr("503"), HasSubstr("--take-over"),
                                     HasSubstr("nvidia-gpu.sock")));
  EXPECT_EQ(page("/healthz").substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_EQ(kubelet().wait_for_registration(kGpu)->count, 2U);
  // Its place is taken as soon as it is free, without a restart.
  stranger_.reset();
  EXPECT_TRUE(registered(kGpu, 3));
  EXPECT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
}

TEST_F(AgentTakeOver, TakingOverKeepsPodsAndTheirIds) {
  learn_ids();
  start_stranger();
  ASSERT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
  const auto pod = kubelet().admit("training", kGpu, 1);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  start_agent({"--take-over"});
  ASSERT_TRUE(registered(kGpu, 3));
  EXPECT_TRUE(says("taking nvidia.com/gpu over from another device plugin ("));
  ASSERT_TRUE(kubelet().wait_for_list(kGpu, [&](const auto& list) {
    std::vector<std::string> listed;
    for (const auto& device : list.devices) listed.push_back(device.id);
    return listed == ids_;
  }));
  EXPECT_EQ(kubelet().available(kGpu), ids_.size() - 1);
  // It ends, and takes only its own socket with it.
  stranger_.reset();
  EXPECT_TRUE(std::filesystem::exists(plugins().file("nvidia-gpu.sock")));
  const auto next = kubelet().admit("next", kGpu, 1);
  ASSERT_TRUE(next.is_admitted) << next.message;
  EXPECT_NE(next.ids, pod.ids);
}

TEST_F(AgentTakeOver, AStrangerThatComesLaterIsToldAndItsPlaceTakenAfterIt) {
  learn_ids();
  start_agent();
  ASSERT_TRUE(registered(kGpu, 2));
  start_stranger();
  EXPECT_TRUE(says("another device plugin ("));
  EXPECT_THAT(page("/readyz"), HasSubstr("503"));
  EXPECT_EQ(kubelet().wait_for_registration(kGpu)->count, 3U);
  stranger_.reset();
  EXPECT_TRUE(registered(kGpu, 4));
  EXPECT_TRUE(says("listening again"));
}

TEST_F(AgentTakeOver, AStrangerThatComesLaterIsTakenOver) {
  learn_ids();
  start_agent({"--take-over"});
  ASSERT_TRUE(registered(kGpu, 2));
  start_stranger();
  EXPECT_TRUE(registered(kGpu, 4));
  EXPECT_TRUE(says("taking nvidia.com/gpu back from another device plugin ("));
  EXPECT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
}

TEST_F(AgentTakeOver, AnUpgradeKeepsPodsAndCapacity) {
  learn_ids();
  start_agent();
  ASSERT_TRUE(registered(kGpu, 2));
  ASSERT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
  const auto pod = kubelet().admit("training", kGpu, 1);
  ASSERT_TRUE(pod.is_admitted) << pod.message;
  // Old ends, new begins, and back: what a DaemonSet's rollout does.
  for (std::uint64_t round = 3; round <= 4; ++round) {
    agent().signal(SIGTERM);
    ASSERT_EQ(agent().wait(), 0);
    EXPECT_EQ(kubelet().allocatable(kGpu), ids_.size());
    start_agent();
    ASSERT_TRUE(registered(kGpu, round));
    ASSERT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
    EXPECT_EQ(kubelet().available(kGpu), ids_.size() - 1);
  }
  const auto next = kubelet().admit("next", kGpu, 1);
  ASSERT_TRUE(next.is_admitted) << next.message;
  EXPECT_NE(next.ids, pod.ids);
}

TEST_F(AgentTakeOver, OfTwoAgentsBothSaySoAndTheNewerServes) {
  start_kubelet();
  start_agent();
  ASSERT_TRUE(registered(kGpu, 1));
  auto newer = std::make_unique<Process>(
      std::vector<std::string>{
          GPUNODE_AGENT, "--kubelet-socket=" + plugins().file("kubelet.sock"),
          std::string("--nvml-library=") + FAKE_NVML_LIBRARY, "--take-over"},
      environment, file("newer.log"));
  ASSERT_TRUE(registered(kGpu, 2));
  EXPECT_THAT(newer->log(), HasSubstr("this one takes its place"));
  EXPECT_TRUE(says("another gpunode-agent ("));
  EXPECT_TRUE(says(", process " + std::to_string(newer->pid()) + ")"));
  // However it ends: nobody is left who would listen.
  newer->signal(SIGKILL);
  EXPECT_EQ(newer->wait(), -SIGKILL);
  EXPECT_TRUE(registered(kGpu, 3));
}

TEST_F(AgentTakeOver, OneThatOffersTheSameGpusByAnotherNameIsWaitedFor) {
  start_kubelet();
  auto other = kubelet::DevicePluginServer::start();
  ASSERT_TRUE(other);
  ASSERT_TRUE((*other)->add(
      "nvidia.com/gpu.shared", plugins().file("nvidia-gpu.shared.sock"),
      std::make_shared<doubles::RecordingHandler>(), devices()));
  for (const char* flag : {"--take-over=false", "--take-over"}) {
    start_agent({flag});
    EXPECT_TRUE(says("each GPU would be given out twice"));
    EXPECT_THAT(page("/readyz"), HasSubstr("nvidia-gpu.shared.sock"));
  }
  EXPECT_EQ(kubelet().attempts(), 0U);
  other->reset();
  EXPECT_TRUE(registered(kGpu, 1));
}

TEST_F(AgentTakeOver, HamiIsNamedByItsIdsAndItsPodsAreWarnedOf) {
  learn_ids();
  const std::string id = ids_.front().substr(0, ids_.front().find(':')) + "-0";
  std::ofstream(plugins().file("kubelet_internal_checkpoint"))
      << R"({"Data":{"PodDeviceEntries":[{"PodUID":"p","ContainerName":"c",)"
         R"("ResourceName":"nvidia.com/gpu","DeviceIDs":{"-1":[")"
      << id
      << R"("]},"AllocResp":""}],"RegisteredDevices":{"nvidia.com/gpu":[")"
      << id << R"("]}},"Checksum":1})";
  start_stranger();
  start_agent();
  EXPECT_TRUE(says("HAMi's device plugin ("));
  EXPECT_THAT(page("/readyz"), HasSubstr("kubectl label node NAME gpu-"));
  start_agent({"--take-over"});
  EXPECT_TRUE(
      says("1 ids of nvidia.com/gpu that the kubelet has given to Pods "
           "are not this agent's, " +
           id));
}

/// A node of the GPU Operator, as its labels show it.
class OperatorTakeOver : public AgentTakeOver {
 protected:
  static constexpr const char* kPath = "/api/v1/nodes/gpu-1";
  static constexpr const char* kPlugin = "nvidia.com/gpu.deploy.device-plugin";
  static constexpr const char* kDiscovery =
      "nvidia.com/gpu.deploy.gpu-feature-discovery";
  static constexpr const char* kMemory = "gpunode.io/taken-over";

  void SetUp() override {
    put_node("true");
    std::ofstream(file("kubeconfig"))
        << R"({"current-context":"c","contexts":[{"name":"c","context":)"
           R"({"cluster":"k","user":"u"}}],"users":[{"name":"u","user":{}}],)"
           R"("clusters":[{"name":"k","cluster":{"server":"http://127.0.0.1:)"
        << api_.port() << "\"}}]}";
  }

  void put_node(const std::string& plugin) {
    api_.put(kPath, R"({"apiVersion":"v1","kind":"Node","metadata":{"name":)"
                    R"("gpu-1","uid":"u-1","labels":{)"
                    R"("nvidia.com/gpu.present":"true",)"
                    R"("nvidia.com/gpu.deploy.driver":"true",)"
                    R"("nvidia.com/gpu.deploy.gpu-feature-discovery":"true",)"
                    R"("nvidia.com/gpu.deploy.device-plugin":")" +
                        plugin + R"("}}})");
  }

  std::vector<std::string> with_node(std::vector<std::string> more) const {
    more.insert(more.end(),
                {"--node-name=gpu-1", "--kubeconfig=" + file("kubeconfig")});
    return more;
  }
  kube::ObjectMeta node() const {
    auto meta = kube::read_object_meta(api_.object(kPath));
    EXPECT_TRUE(meta) << meta.error().message();
    return *std::move(meta);
  }
  bool becomes(const std::string& key, const std::string& value) const {
    return eventually([&] { return node().labels[key] == value; });
  }

  kube::ApiServerDouble api_;
};

TEST_F(OperatorTakeOver, ThereAndBackUnderARunningPod) {
  learn_ids();
  start_stranger();
  ASSERT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
  const auto pod = kubelet().admit("training", kGpu, 1);
  ASSERT_TRUE(pod.is_admitted) << pod.message;

  start_agent(with_node({"--take-over"}));
  ASSERT_TRUE(registered(kGpu, 3));
  ASSERT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
  EXPECT_TRUE(becomes(kPlugin, "false"));
  EXPECT_EQ(node().annotations[kMemory],
            R"({"nvidia.com/gpu.deploy.device-plugin":"true"})");
  // Not what this agent does not replace: it puts no labels anywhere.
  EXPECT_EQ(node().labels[kDiscovery], "true");
  EXPECT_EQ(node().labels["nvidia.com/gpu.deploy.driver"], "true");
  stranger_.reset();  // What the operator does about the label.
  EXPECT_EQ(kubelet().available(kGpu), ids_.size() - 1);
  agent().signal(SIGTERM);
  ASSERT_EQ(agent().wait(), 0);
  EXPECT_EQ(node().labels[kPlugin], "false");  // An upgrade is no way back.

  start_agent(with_node({"--give-back"}));
  ASSERT_TRUE(registered(kGpu, 4));
  ASSERT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
  EXPECT_TRUE(becomes(kPlugin, "true"));
  EXPECT_THAT(node().annotations, IsEmpty());
  // It serves until the operator's plugin is there, and then makes way.
  const auto meanwhile = kubelet().admit("meanwhile", kGpu, 1);
  ASSERT_TRUE(meanwhile.is_admitted) << meanwhile.message;
  start_stranger();
  ASSERT_TRUE(registered(kGpu, 5));
  EXPECT_TRUE(says("the GPU Operator's device plugin ("));
  ASSERT_TRUE(lists(kGpu, ids_.size(), ids_.size()));
  EXPECT_EQ(kubelet().available(kGpu), ids_.size() - 2);
  EXPECT_NE(meanwhile.ids, pod.ids);
}

TEST_F(OperatorTakeOver, LabelsThatComeLaterAreTakenWhenThePluginShowsUp) {
  learn_ids();
  api_.put(kPath, R"({"apiVersion":"v1","kind":"Node","metadata":{"name":)"
                  R"("gpu-1","uid":"u-1","labels":{}}})");
  start_agent(with_node({"--take-over"}));
  ASSERT_TRUE(registered(kGpu, 2));
  ASSERT_TRUE(eventually([&] { return !api_.requests().empty(); }));
  put_node("true");
  start_stranger();
  EXPECT_TRUE(becomes(kPlugin, "false"));
  EXPECT_TRUE(registered(kGpu, 4));
}

TEST_F(OperatorTakeOver, IsNamedInTheRefusalAndByAnEvent) {
  learn_ids();
  start_stranger();
  start_agent(with_node({"--labels=node"}));
  EXPECT_TRUE(says("the GPU Operator's device plugin ("));
  EXPECT_TRUE(says("runs its device plugin here, which takes this agent's"));
  EXPECT_THAT(
      page("/readyz"),
      AllOf(HasSubstr("503"), HasSubstr("kubectl label node gpu-1 " +
                                        std::string(kPlugin) + "=false")));
  const auto has_event = [&](const std::string& reason) {
    return eventually([&] {
      return api_.last_request().find("\"reason\":\"" + reason) !=
             std::string::npos;
    });
  };
  EXPECT_TRUE(has_event("AnotherDevicePlugin"));
  EXPECT_EQ(node().labels[kPlugin], "true");
  stranger_.reset();
  EXPECT_TRUE(registered(kGpu, 3));
  EXPECT_TRUE(has_event("OffersGpus"));
}

TEST_F(OperatorTakeOver, FeatureDiscoveryIsTakenOverByAnAgentThatLabels) {
  start_kubelet();
  start_agent(with_node({"--take-over", "--labels=node"}));
  EXPECT_TRUE(becomes(kPlugin, "false"));
  EXPECT_TRUE(becomes(kDiscovery, "false"));
  EXPECT_TRUE(becomes("nvidia.com/gpu.count", "1"));
  agent().signal(SIGTERM);
  ASSERT_EQ(agent().wait(), 0);
  // Whatever the agent that gives back does itself.
  start_agent(with_node({"--give-back"}));
  EXPECT_TRUE(becomes(kPlugin, "true"));
  EXPECT_TRUE(becomes(kDiscovery, "true"));
  EXPECT_THAT(node().labels, Contains(Pair("nvidia.com/gpu.count", "1")));
}

TEST_F(OperatorTakeOver, ADriverUpgradeIsNotCutShort) {
  put_node("paused-for-driver-upgrade");
  start_kubelet();
  start_agent(with_node({"--take-over"}));
  ASSERT_TRUE(registered(kGpu));
  EXPECT_TRUE(says("is \"paused-for-driver-upgrade\": whoever wrote that"));
  EXPECT_EQ(node().labels[kPlugin], "paused-for-driver-upgrade");
}

TEST_F(OperatorTakeOver, WithoutTheOptionOrTheNodesNameNothingIsWritten) {
  start_kubelet();
  start_agent({"--take-over", "--kubeconfig=" + file("kubeconfig")});
  ASSERT_TRUE(registered(kGpu, 1));
  agent().signal(SIGTERM);
  ASSERT_EQ(agent().wait(), 0);
  start_agent(with_node({}));
  ASSERT_TRUE(registered(kGpu, 2));
  EXPECT_THAT(api_.requests(), IsEmpty());
}

TEST_F(OperatorTakeOver, WithoutTheRightItTakesTheSocketAndSaysWhatIsMissing) {
  api_.refuse(403, "Forbidden", 1'000'000);
  start_kubelet();
  start_agent(with_node({"--take-over"}));
  ASSERT_TRUE(registered(kGpu));
  EXPECT_TRUE(says("verbs: [get, patch]"));
  EXPECT_EQ(page("/readyz").substr(0, 15), "HTTP/1.1 200 OK");
}

TEST_F(OperatorTakeOver, SaysWhatIsMissing) {
  start_kubelet();
  start_agent({"--take-over", "--node-name=gpu-1"});
  EXPECT_TRUE(says("labels on node gpu-1 stay as they are"));
  EXPECT_TRUE(registered(kGpu));
  start_agent({"--give-back"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("--give-back: required flag node-name not set"));
  start_agent({"--give-back", "--node-name=gpu-1"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("elsewhere give --kubeconfig"));
  start_agent(with_node({"--give-back", "--take-over"}));
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("--give-back: not together with --take-over"));
}

}  // namespace
}  // namespace gpunode::integration
