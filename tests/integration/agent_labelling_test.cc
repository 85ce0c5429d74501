// The agent labels its node by itself: one process, one look at the driver.
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "k8s/api/object_meta.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using doubles::eventually;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::Pair;

constexpr const char* kPath = "/api/v1/nodes/gpu-1";

class AgentLabels : public AgentTest {
 protected:
  void SetUp() override {
    server_.put(kPath, R"({"apiVersion":"v1","kind":"Node","metadata":{
      "name":"gpu-1","uid":"u-1","labels":{"nvidia.com/gpu.product":"A10G"}}})");
    std::ofstream(file("kubeconfig"))
        << R"({"current-context":"c","contexts":[{"name":"c","context":)"
           R"({"cluster":"k","user":"u"}}],"users":[{"name":"u","user":{}}],)"
           R"("clusters":[{"name":"k","cluster":{"server":"http://127.0.0.1:)"
        << server_.port() << "\"}}]}";
    start_kubelet();
  }

  void start_labelling(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"--labels=node", "--node-name=gpu-1",
                                          "--no-timestamp",
                                          "--kubeconfig=" + file("kubeconfig")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    start_agent(arguments);
  }

  std::map<std::string, std::string> labels() const {
    auto meta = kube::read_object_meta(server_.object(kPath));
    EXPECT_TRUE(meta) << meta.error().message();
    return meta->labels;
  }
  bool has_label(const std::string& key, const std::string& value) const {
    return eventually([&] {
      const auto all = labels();
      const auto found = all.find("nvidia.com/" + key);
      return found != all.end() && found->second == value;
    });
  }
  std::string text_of(const std::string& name) const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  kube::ApiServerDouble server_;
};

TEST_F(AgentLabels, PutsThemOnTheNodeAndLeavesThoseOfOthers) {
  start_labelling();
  ASSERT_TRUE(has_label("gpu.count", "1"));
  EXPECT_TRUE(lists(kGpu, 1, 1));
  EXPECT_THAT(labels(), Contains(Pair("nvidia.com/gpu.product", "A10G")));
  EXPECT_TRUE(
      says("label nvidia.com/gpu.product is \"A10G\", written by "
           "somebody else"));
  EXPECT_EQ(driver().count("nvmlInit_v2"), 1U);
  EXPECT_TRUE(
      eventually([&] { return metric("gpunode_labels_current") == 1.0; }));
  EXPECT_EQ(metric("gpunode_labels_left_alone"), 1.0);
  // One read and one write; then quiet.
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(AgentLabels, OverwritesWhenToldSo) {
  start_labelling({"--overwrite-labels"});
  EXPECT_TRUE(has_label("gpu.product", "NVIDIA-A10G"));
}

TEST_F(AgentLabels, LabelsAnewOnReload) {
  write_config("version: v1\n");
  start_labelling();
  ASSERT_TRUE(has_label("gpu.replicas", "1"));
  write_config(kSeedConfig);
  agent().signal(SIGHUP);
  EXPECT_TRUE(has_label("gpu.replicas", "20"));
}

TEST_F(AgentLabels, ADriverThatIsLostKeepsItsLabels) {
  start_labelling();
  ASSERT_TRUE(has_label("gpu.count", "1"));
  driver().driver_down();
  agent().signal(SIGHUP);  // It is asked again, and does not answer.
  ASSERT_TRUE(says("No GPU is offered until the driver answers"));
  EXPECT_THAT(labels(), Contains(Pair("nvidia.com/gpu.count", "1")));
}

TEST_F(AgentLabels, AServerThatIsAwayHoldsNothingUp) {
  server_.be_silent(true);
  start_labelling();
  EXPECT_TRUE(lists(kGpu, 1, 1));
  server_.wait_for_requests(1);
  EXPECT_EQ(metric("gpunode_labels_current"), 0.0);
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  server_.be_silent(false);
}

TEST_F(AgentLabels, PutsThemIntoTheNodeFeatureAndLeavesItAtTheEnd) {
  server_.put("/api/v1/namespaces/ns1/pods/p1",
              R"({"kind":"Pod","metadata":{"name":"p1","uid":"pu",
    "ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet",
    "name":"ds1","uid":"du"}]}})");
  start_labelling({"--labels=nodefeature", "--namespace=ns1", "--pod-name=p1"});
  const auto feature = [this] {
    return server_.object(
        "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/ns1/nodefeatures/"
        "nvidia-features-for-gpu-1");
  };
  ASSERT_TRUE(eventually([&] {
    return feature().find(R"("nvidia.com/gpu.count":"1")") != std::string::npos;
  }));
  EXPECT_THAT(feature(), HasSubstr(R"("kind":"DaemonSet","name":"ds1")"));
  EXPECT_TRUE(
      eventually([&] { return metric("gpunode_labels_current") == 1.0; }));
  // Pod, object, object: no right to anything of the Node is used.
  EXPECT_EQ(server_.requests().size(), 3U);
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  EXPECT_NE(feature(), "");
}

TEST_F(AgentLabels, OfTheFileGoToTheNodeFeatureByNvidiasVariable) {
  start_labelling({"--labels=file", "--use-node-feature-api"});
  ASSERT_TRUE(eventually([this] {
    return !server_
                .object(
                    "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/default/"
                    "nodefeatures/nvidia-features-for-gpu-1")
                .empty();
  }));
}

TEST_F(AgentLabels, SayWhatANodeFeatureTakes) {
  server_.have_node_features(false);
  start_labelling({"--labels=nodefeature"});
  EXPECT_TRUE(says("Node Feature Discovery's CRD is not installed"));
  EXPECT_TRUE(lists(kGpu, 1, 1));
  EXPECT_EQ(metric("gpunode_labels_current"), 0.0);
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  start_agent({"--labels=nodefeature"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("--labels=nodefeature: required flag node-name not set"));
  start_agent({"--labels=nodefeature", "--node-name=n", "--namespace="});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("required flag namespace not set"));
}

TEST_F(AgentLabels, WritesTheFeatureFileAndRemovesItAtTheEnd) {
  start_agent(
      {"--labels=file", "--no-timestamp", "--output-file=" + file("gfd")});
  ASSERT_TRUE(eventually([&] {
    return text_of("gfd").find("nvidia.com/gpu.count=1\n") != std::string::npos;
  }));
  EXPECT_THAT(text_of("gfd"), Not(HasSubstr("timestamp")));
  EXPECT_TRUE(server_.requests().empty());
  agent().signal(SIGTERM);
  EXPECT_EQ(agent().wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(file("gfd")));
}

TEST_F(AgentLabels, AMachineTypeFileThatIsAPipeIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo(file("pipe").c_str(), 0600), 0);
  start_labelling({"--machine-type-file=" + file("pipe")});
  EXPECT_TRUE(has_label("gpu.machine", "unknown"));
  EXPECT_TRUE(lists(kGpu, 1, 1));
  EXPECT_TRUE(says("Error getting machine type from " + file("pipe")));
}

// Of both the wish is the same, and so is the field manager: the second finds
// nothing to write, and neither takes the labels of the other away.
TEST_F(AgentLabels, ASecondAgentOnTheNodeWritesNothing) {
  start_labelling();
  ASSERT_TRUE(has_label("gpu.count", "1"));
  const std::string before = server_.object(kPath);
  // In a plugin directory of its own, where no kubelet is: it labels only.
  Process second(
      {GPUNODE_AGENT, "--kubelet-socket=" + file("kubelet.sock"),
       std::string("--nvml-library=") + FAKE_NVML_LIBRARY,
       "--host-root=" + file("host"), "--labels=node", "--node-name=gpu-1",
       "--no-timestamp", "--kubeconfig=" + file("kubeconfig")},
      environment, file("second.log"));
  ASSERT_TRUE(eventually([&] {
    return second.log().find("written by somebody else") != std::string::npos;
  }));
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(server_.object(kPath), before);
  EXPECT_EQ(server_.requests().size(), 3U);
}

TEST_F(AgentLabels, WithoutTheOptionThereAreNone) {
  start_agent();
  ASSERT_TRUE(lists(kGpu, 1, 1));
  EXPECT_EQ(metric("gpunode_labels"), std::nullopt);
  EXPECT_TRUE(server_.requests().empty());
  EXPECT_THAT(labels(), Not(Contains(Key("nvidia.com/gpu.count"))));
}

TEST_F(AgentLabels, SaysWhatIsMissing) {
  start_agent({"--labels=node"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("--labels=node: required flag node-name not set"));
  start_agent({"--labels=node", "--node-name=gpu-1"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("elsewhere give --kubeconfig"));
  start_agent({"--labels=everywhere"});
  EXPECT_EQ(agent().wait(), 1);
  EXPECT_TRUE(says("invalid --labels option: everywhere"));
}

}  // namespace
}  // namespace gpunode::integration
