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
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
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

  void config(const std::string& text) const {
    tree_.file("config.yaml", text);
  }

  Process& start(const std::vector<std::string>& more) {
    std::vector<std::string> argv = {
        tree_.path("gpu-feature-discovery"), "--use-node-feature-api=false",
        std::string("--nvml-library=") + FAKE_NVML_LIBRARY,
        "--host-root=" + tree_.path("host"), "--output-file=" + output()};
    if (tree_.root().exists("config.yaml")) {
      argv.push_back("--config-file=" + tree_.path("config.yaml"));
    }
    argv.insert(argv.end(), more.begin(), more.end());
    std::filesystem::remove(tree_.path("log"));
    process_ = std::make_unique<Process>(argv, environment_, tree_.path("log"));
    return *process_;
  }
  int run(const std::vector<std::string>& more) { return start(more).wait(); }

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
  EXPECT_THAT(log(), HasSubstr("the labels go to --output-file"));
  EXPECT_EQ(run({"--oneshot", "--output-file=/nowhere/gfd"}), 1);
  EXPECT_THAT(log(), HasSubstr("error atomically writing file "
                               "'/nowhere/gfd': "));
  EXPECT_EQ(run({"--oneshot", "--output-file=", "--no-timestamp"}), 0);
  EXPECT_THAT(log(), HasSubstr("nvidia.com/gpu.product=Tesla-T4\n"));
}

}  // namespace
}  // namespace gpunode::integration
