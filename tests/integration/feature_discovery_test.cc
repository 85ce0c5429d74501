// gpu-feature-discovery as a process on the double of NVML, and its labels of
// every profile against files that people have read and that NVIDIA's program
// gives too. GPUNODE_UPDATE_GOLDEN=1 writes those files anew.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "tests/doubles/apiserver/api_server_double.h"
#include "tests/doubles/kubelet/plugin_directory.h"
#include "tests/doubles/nvml/control.h"
#include "tests/doubles/nvml/driver_tree.h"
#include "tests/integration/agent_process.h"

namespace gpunode::integration {
namespace {

using doubles::eventually;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A host with a driver, and the program under the peer's name.
class Discovery : public testing::Test {
 protected:
  Discovery() {
    tree_.directory("out");
    tree_.link("gpu-feature-discovery", GPUNODE_AGENT);
    tree_.file("host/sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    auto control = FakeNvmlControl::open(tree_.path("control"));
    EXPECT_TRUE(control);
    control_ = std::make_unique<FakeNvmlControl>(*std::move(control));
    environment_["GPUNODE_FAKE_NVML_CONTROL"] = tree_.path("control");
    // Sanitizers find their settings, and only those, in our environment.
    for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
      if (const char* value = std::getenv(name)) environment_[name] = value;
    }
    use_profile("t4-x4");
  }
  ~Discovery() override {
    if (HasFailure() && process_) ADD_FAILURE() << process_->log();
  }

  void use_profile(const std::string& name) {
    const std::string path =
        std::string(FAKE_NVML_PROFILES) + "/" + name + ".json";
    environment_["GPUNODE_FAKE_NVML"] = path;
    const auto profile = fake_nvml::load_profile(path);
    ASSERT_TRUE(profile) << profile.error().message();
    const auto laid = fake_nvml::lay_driver_tree(
        *profile, {tree_.path("host"), "", FAKE_NVML_LIBRARY, {}});
    ASSERT_TRUE(laid) << laid.error().message();
  }

  void config(const std::string& text) const { put("config.yaml", text); }
  void put(const std::string& name, const std::string& text) const {
    tree_.file(name, text);
  }
  std::string path(const std::string& name) const { return tree_.path(name); }

  Process& start(const std::vector<std::string>& more) {
    std::vector<std::string> argv = {
        tree_.path("gpu-feature-discovery"),
        std::string("--nvml-library=") + FAKE_NVML_LIBRARY,
        "--host-root=" + tree_.path("host"), "--output-file=" + output()};
    if (tree_.root().exists("config.yaml")) {
      argv.push_back("--config-file=" + tree_.path("config.yaml"));
    }
    if (says_where_) argv.emplace_back("--use-node-feature-api=false");
    argv.insert(argv.end(), more.begin(), more.end());
    std::filesystem::remove(tree_.path("log"));
    process_ = std::make_unique<Process>(argv, environment_, tree_.path("log"));
    return *process_;
  }
  int run(const std::vector<std::string>& more) { return start(more).wait(); }
  /// The flag would beat the configuration.
  void leave_where_to_configuration() { says_where_ = false; }

  std::string output() const { return tree_.path("out/gfd"); }
  std::string labels() const { return read_file(output()); }
  std::string log() const { return process_->log(); }
  bool labels_have(const std::string& text) const {
    return eventually([&] { return labels().find(text) != std::string::npos; });
  }
  bool says(const std::string& text) const {
    return eventually([&] { return log().find(text) != std::string::npos; });
  }
  Process& process() { return *process_; }
  FakeNvmlControl& driver() { return *control_; }

 private:
  bool says_where_ = true;
  host::HostTree tree_;
  std::map<std::string, std::string> environment_;
  std::unique_ptr<FakeNvmlControl> control_;
  std::unique_ptr<Process> process_;
};

struct Golden {
  const char* profile;
  const char* strategy;
};

class DiscoveryGolden : public Discovery,
                        public testing::WithParamInterface<Golden> {};

TEST_P(DiscoveryGolden, LabelsAsNvidiasDoes) {
  use_profile(GetParam().profile);
  const int status =
      run({"--oneshot", "--no-timestamp",
           std::string("--mig-strategy=") + GetParam().strategy});
  ASSERT_EQ(status, 0);
  const std::string golden = std::string(LABELS_GOLDEN) + "/" +
                             GetParam().profile + "." + GetParam().strategy;
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(golden, std::ios::binary) << labels();
  }
  EXPECT_EQ(labels(), read_file(golden)) << golden;
  EXPECT_NE(labels(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Profiles, DiscoveryGolden,
    testing::Values(Golden{"a10g-x1", "none"}, Golden{"t4-x4", "none"},
                    Golden{"v100-x8", "none"}, Golden{"a100-x8", "none"},
                    Golden{"h100-x8", "none"}, Golden{"h200-x1", "none"},
                    Golden{"b200-x8", "none"}, Golden{"none", "none"},
                    Golden{"a100-x8", "single"},
                    Golden{"a100-x8-mig-single", "none"},
                    Golden{"a100-x8-mig-single", "single"},
                    Golden{"a100-x8-mig-single", "mixed"},
                    Golden{"a100-x8-mig-mixed", "single"},
                    Golden{"a100-x8-mig-mixed", "mixed"},
                    Golden{"a100-x8-mig-ci", "mixed"},
                    Golden{"a100-x8-mig-empty", "single"},
                    Golden{"a100-x8-mig-empty", "mixed"}));

TEST_F(Discovery, OnceLeavesTheFileAndTheDriver) {
  EXPECT_EQ(run({"--oneshot"}), 0);
  EXPECT_THAT(labels(), AllOf(HasSubstr("nvidia.com/gpu.count=4\n"),
                              HasSubstr("nvidia.com/gfd.timestamp=1"),
                              HasSubstr("gpu.machine=Standard-PC-Q35\n")));
  EXPECT_EQ(driver().count("nvmlInit_v2"), 1U);
  EXPECT_EQ(driver().count("nvmlShutdown"), 1U);
}

TEST_F(Discovery, StoppedItRemovesItsFile) {
  start({});
  ASSERT_TRUE(labels_have("gpu.count=4"));
  // Asleep it holds nothing of the driver.
  EXPECT_TRUE(eventually([&] { return driver().count("nvmlShutdown") == 1; }));
  process().signal(SIGTERM);
  EXPECT_EQ(process().wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(output()));
}

TEST_F(Discovery, AnInfiniteIntervalKeepsTheFile) {
  start({"--sleep-interval=infinite"});
  ASSERT_TRUE(labels_have("gpu.count=4"));
  process().signal(SIGINT);
  EXPECT_EQ(process().wait(), 0);
  EXPECT_THAT(labels(), HasSubstr("gpu.count=4"));
}

TEST_F(Discovery, ReadsTheConfigurationAgainOnRequest) {
  config("version: v1\n");
  start({"--sleep-interval=infinite"});
  ASSERT_TRUE(labels_have("gpu.replicas=1\n"));
  config(kSeedConfig);
  process().signal(SIGHUP);
  EXPECT_TRUE(labels_have("gpu.replicas=20\n"));
  EXPECT_THAT(labels(), HasSubstr("gpu.product=Tesla-T4-SHARED\n"));
  config("version: v7\n");
  process().signal(SIGHUP);
  EXPECT_TRUE(says("unknown version: v7"));
  EXPECT_THAT(labels(), HasSubstr("gpu.replicas=20\n"));
  process().signal(SIGTERM);
  EXPECT_EQ(process().wait(), 0);
}

TEST_F(Discovery, OnceWithoutADriverFailsOrNot) {
  driver().driver_down();
  EXPECT_EQ(run({"--oneshot"}), 1);
  EXPECT_THAT(log(), HasSubstr("error creating labeler: failed to initialize "
                               "resource manager: ERROR_DRIVER_NOT_LOADED"));
  EXPECT_EQ(labels(), "");
  EXPECT_EQ(run({"--oneshot", "--no-timestamp", "--fail-on-init-error=false"}),
            0);
  EXPECT_EQ(labels(), "nvidia.com/vgpu.present=false\n");
}

// Two of four GPUs are for virtual machines; the driver, which has the others,
// is not asked. The labels are NVIDIA's but for compute capability -1.-1.
TEST_F(Discovery, LabelsGpusOfVfioPci) {
  driver().driver_down();
  std::vector<std::string> gpus;
  for (const auto& entry :
       std::filesystem::directory_iterator(path("host/sys/bus/pci/devices"))) {
    gpus.push_back(entry.path().filename());
  }
  ASSERT_EQ(gpus.size(), 4U);
  for (const std::string& gpu : {gpus[0], gpus[1]}) {
    const std::string at = "host/sys/bus/pci/devices/" + gpu + "/";
    std::filesystem::remove(path(at + "driver"));
    std::filesystem::create_symlink("../../drivers/vfio-pci",
                                    path(at + "driver"));
    put(at + "resource",
        "0x0000000080000000 0x0000000080ffffff 0x0000000000040200\n"
        "0x0000100000000000 0x00001003ffffffff 0x000000000014220c\n"
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
        "0x0000200000000000 0x0000200001ffffff 0x000000000014220c\n");
  }
  EXPECT_EQ(
      run({"--oneshot", "--no-timestamp", "--device-discovery-strategy=vfio"}),
      0);
  EXPECT_EQ(labels(),
            "nvidia.com/cuda.driver-version.full=unknown.unknown.unknown\n"
            "nvidia.com/cuda.driver-version.major=unknown\n"
            "nvidia.com/cuda.driver-version.minor=unknown\n"
            "nvidia.com/cuda.driver-version.revision=unknown\n"
            "nvidia.com/cuda.driver.major=unknown\n"
            "nvidia.com/cuda.driver.minor=unknown\n"
            "nvidia.com/cuda.driver.rev=unknown\n"
            "nvidia.com/cuda.runtime-version.full=0.0\n"
            "nvidia.com/cuda.runtime-version.major=0\n"
            "nvidia.com/cuda.runtime-version.minor=0\n"
            "nvidia.com/cuda.runtime.major=0\n"
            "nvidia.com/cuda.runtime.minor=0\n"
            "nvidia.com/gpu.count=2\n"
            "nvidia.com/gpu.family=undefined\n"
            "nvidia.com/gpu.machine=Standard-PC-Q35\n"
            "nvidia.com/gpu.memory=34359738368\n"
            "nvidia.com/gpu.mode=compute\n"
            "nvidia.com/gpu.product=TU104GL-Tesla-T4\n"
            "nvidia.com/gpu.replicas=1\n"
            "nvidia.com/gpu.sharing-strategy=none\n"
            "nvidia.com/mig.capable=false\n"
            "nvidia.com/mps.capable=false\n"
            "nvidia.com/vgpu.present=false\n");
  EXPECT_THAT(log(), HasSubstr("is bound to nvidia, not to vfio-pci"));
  EXPECT_EQ(driver().count("nvmlInit_v2"), 0U);
}

TEST_F(Discovery, ADriverThatComesIsLabelled) {
  driver().driver_down();
  start({"--no-timestamp", "--sleep-interval=1s"});
  ASSERT_TRUE(labels_have("vgpu.present=false"));
  EXPECT_THAT(labels(), Not(HasSubstr("gpu.count")));
  driver().driver_up();
  EXPECT_TRUE(labels_have("gpu.count=4"));
  process().signal(SIGTERM);
  EXPECT_EQ(process().wait(), 0);
}

TEST_F(Discovery, ADriverThatHangsKeepsNoSignalWaiting) {
  FakeNvmlControl::Fault hang;
  hang.function = "nvmlInit_v2";
  hang.delay = std::chrono::minutes(5);
  const auto added = driver().add(hang);
  ASSERT_TRUE(added) << added.error().message();
  start({});
  ASSERT_TRUE(eventually([&] { return driver().count("nvmlInit_v2") > 0; }));
  process().signal(SIGTERM);
  EXPECT_EQ(process().wait(), 0);
}

TEST_F(Discovery, AnswersMistakesInThePeersWords) {
  EXPECT_EQ(run({"--nosuch"}), 1);
  EXPECT_THAT(log(), StartsWith("Incorrect Usage: flag provided but not "
                                "defined: -nosuch\n\nUsage: "
                                "gpu-feature-discovery"));
  EXPECT_EQ(run({"--use-node-feature-api=true"}), 1);
  EXPECT_THAT(log(),
              AllOf(HasSubstr("failed to create label outputer: required flag "
                              "node-name not set"),
                    HasSubstr("the labels go to --output-file")));
  EXPECT_EQ(run({"--use-node-feature-api=true", "--node-name=n1"}), 1);
  EXPECT_THAT(log(), AllOf(HasSubstr("failed to create clientsets: "),
                           HasSubstr("KUBERNETES_SERVICE_HOST")));
  EXPECT_EQ(run({"--oneshot", "--output-file=/nowhere/gfd"}), 1);
  EXPECT_THAT(log(), HasSubstr("error atomically writing file "
                               "'/nowhere/gfd': "));
  EXPECT_EQ(run({"--oneshot", "--output-file=", "--no-timestamp"}), 0);
  EXPECT_THAT(log(), HasSubstr("nvidia.com/gpu.product=Tesla-T4\n"));
}

/// With an API server, which has this program's Pod.
class DiscoveryInACluster : public Discovery {
 protected:
  DiscoveryInACluster() {
    server_.put("/api/v1/namespaces/ns1/pods/p1",
                R"({"kind":"Pod","metadata":{"name":"p1","uid":"pu",
      "ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet",
      "name":"ds1","uid":"du"}]}})");
    put("kubeconfig",
        R"({"current-context":"c","contexts":[{"name":"c","context":)"
        R"({"cluster":"k","user":"u"}}],"users":[{"name":"u","user":{}}],)"
        R"("clusters":[{"name":"k","cluster":{"server":"http://127.0.0.1:)" +
            std::to_string(server_.port()) + "\"}}]}");
  }

  /// `more` last, so that it counts.
  std::vector<std::string> named(const std::vector<std::string>& more) const {
    std::vector<std::string> all = {"--node-name=n1", "--namespace=ns1",
                                    "--pod-name=p1",
                                    "--kubeconfig=" + path("kubeconfig")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::string> with(const std::vector<std::string>& more) const {
    std::vector<std::string> all = named(more);
    all.emplace_back("--use-node-feature-api=true");
    return all;
  }
  std::string feature() const { return server_.object(kFeature); }
  bool feature_has(const std::string& text) const {
    return eventually(
        [&] { return feature().find(text) != std::string::npos; });
  }

  static constexpr const char* kFeature =
      "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/ns1/nodefeatures/"
      "nvidia-features-for-n1";
  kube::ApiServerDouble server_;
};

TEST_F(DiscoveryInACluster, OnceMakesTheNodeFeatureAndNoFile) {
  EXPECT_EQ(run(with({"--oneshot", "--no-timestamp"})), 0) << log();
  EXPECT_THAT(feature(),
              AllOf(HasSubstr(R"("nvidia.com/gpu.count":"4")"),
                    HasSubstr(R"("nfd.node.kubernetes.io/node-name":"n1")"),
                    HasSubstr(R"("kind":"DaemonSet","name":"ds1","uid":"du")"),
                    Not(HasSubstr("timestamp"))));
  EXPECT_FALSE(std::filesystem::exists(output()));
  // The same labels as in the file.
  EXPECT_EQ(run({"--oneshot", "--no-timestamp"}), 0);
  std::istringstream lines(labels());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const std::size_t equals = line.find('=');
    EXPECT_THAT(feature(), HasSubstr("\"" + line.substr(0, equals) + "\":\"" +
                                     line.substr(equals + 1) + "\""));
  }
  EXPECT_GT(count, 20U);
  // Once more: one look, and nothing to write.
  const std::size_t before = server_.requests().size();
  EXPECT_EQ(run(with({"--oneshot", "--no-timestamp"})), 0);
  const auto requests = server_.requests();
  ASSERT_EQ(requests.size(), before + 2);
  EXPECT_EQ(requests.back(), std::string("GET ") + kFeature);
}

TEST_F(DiscoveryInACluster, StoppedItLeavesTheObject) {
  start(with({"--no-timestamp", "--sleep-interval=1s"}));
  ASSERT_TRUE(feature_has(R"("nvidia.com/gpu.count":"4")"));
  // One that somebody has removed is made again at the next look.
  server_.remove(kFeature);
  ASSERT_TRUE(feature_has(R"("nvidia.com/gpu.count":"4")"));
  process().signal(SIGTERM);
  EXPECT_EQ(process().wait(), 0);
  EXPECT_THAT(feature(), HasSubstr(R"("nvidia.com/gpu.count":"4")"));
}

TEST_F(DiscoveryInACluster, AReloadGoesFromOneToTheOther) {
  // By the file, which a flag would beat.
  config("flags: {useNodeFeatureAPI: false}");
  leave_where_to_configuration();
  start(named({"--no-timestamp", "--sleep-interval=infinite"}));
  ASSERT_TRUE(labels_have("gpu.count=4"));
  EXPECT_TRUE(server_.requests().empty());
  config("flags: {useNodeFeatureAPI: true}");
  process().signal(SIGHUP);
  ASSERT_TRUE(feature_has(R"("nvidia.com/gpu.count":"4")"));
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(output()); }));
  config("flags: {useNodeFeatureAPI: false}");
  process().signal(SIGHUP);
  ASSERT_TRUE(labels_have("gpu.count=4"));
  EXPECT_NE(feature(), "");
  process().signal(SIGTERM);
  EXPECT_EQ(process().wait(), 0);
}

TEST_F(DiscoveryInACluster, OnceFailsWithWhatTheServerSays) {
  struct Refusal {
    int status;
    const char* method;
    const char* words;
  };
  for (const Refusal& one :
       {Refusal{401, "", "failed to get NodeFeature object: GET "},
        Refusal{403, "GET",
                "lacks the Role rule {apiGroups: "
                "[nfd.k8s-sigs.io], resources: [nodefeatures]"},
        Refusal{403, "POST",
                "failed to create NodeFeature object "
                "\"nvidia-features-for-n1\""},
        Refusal{409, "POST", "somebody else writes it"},
        Refusal{500, "POST", "500"}}) {
    server_.refuse(one.status, "Reason", 100, "", one.method);
    EXPECT_EQ(run(with({"--oneshot"})), 1);
    EXPECT_THAT(log(), HasSubstr(one.words));
  }
  server_.refuse(0, "", 0);
  server_.have_node_features(false);
  EXPECT_EQ(run(with({"--oneshot"})), 1);
  EXPECT_THAT(log(), HasSubstr("Node Feature Discovery's CRD is not installed; "
                               "install Node Feature Discovery"));
  server_.have_node_features(true);
  server_.reset_connections(100);
  EXPECT_EQ(run(with({"--oneshot"})), 1);
  server_.reset_connections(0);
  EXPECT_EQ(feature(), "");
}

TEST_F(DiscoveryInACluster, WhatTheServerRefusesIsTriedAgainInTheLoop) {
  server_.refuse(500, "InternalError", 2, "", "POST");
  start(with({"--no-timestamp", "--sleep-interval=1s"}));
  ASSERT_TRUE(feature_has(R"("nvidia.com/gpu.count":"4")"));
  EXPECT_TRUE(says("the API server takes what the agent writes again"));
}

TEST_F(DiscoveryInACluster, WithoutTheRightToSeeThePodItHasNoOwners) {
  EXPECT_EQ(run(with({"--oneshot", "--pod-name=elsewhere"})), 0);
  EXPECT_THAT(log(), HasSubstr("Failed to resolve owner references: "));
  EXPECT_THAT(feature(), Not(HasSubstr("ownerReferences")));
}

TEST_F(DiscoveryInACluster, AServerThatIsSilentKeepsNoSignalWaiting) {
  server_.be_silent(true);
  for (const char* mode : {"--oneshot", "--oneshot=false"}) {
    const std::size_t before = server_.requests().size();
    start(with({mode}));
    server_.wait_for_requests(before + 1);
    process().signal(SIGTERM);
    EXPECT_EQ(process().wait(), 0) << mode;
  }
  server_.be_silent(false);
}

}  // namespace
}  // namespace gpunode::integration
