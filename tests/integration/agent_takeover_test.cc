// Another device plugin on the node, and one agent after another.
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/kubelet/registration.h"
#include "k8s/kubelet/server.h"
#include "tests/doubles/kubelet/recording_handler.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;

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

}  // namespace
}  // namespace gpunode::integration
