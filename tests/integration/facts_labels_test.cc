// `gpunode facts --labels`: the labels of feature discovery, from the driver by
// gpunode-probe and without an agent. Against feature_discovery_test's files.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "tests/doubles/nvml/driver_tree.h"
#include "tests/doubles/nvml/profile.h"

namespace gpunode::integration {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A host with a driver, and the probe in front of which a program stands that
/// tells the double what to be: gpunode hands no environment on.
class FactsLabels : public testing::TestWithParam<const char*> {
 protected:
  FactsLabels() {
    tree_.file("host/sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    use_profile("t4-x4");
  }

  void use_profile(const std::string& name) {
    const std::string path =
        std::string(FAKE_NVML_PROFILES) + "/" + name + ".json";
    const auto profile = fake_nvml::load_profile(path);
    ASSERT_TRUE(profile) << profile.error().message();
    const auto laid = fake_nvml::lay_driver_tree(
        *profile, {tree_.path("host"), "", FAKE_NVML_LIBRARY, {}});
    ASSERT_TRUE(laid) << laid.error().message();
    probe("GPUNODE_FAKE_NVML=" + path + " exec " + GPUNODE_PROBE +
          " --library " + FAKE_NVML_LIBRARY);
  }
  void probe(const std::string& command) const {
    tree_.file("probe", "#!/bin/sh\n" + command + "\n");
    std::filesystem::permissions(tree_.path("probe"),
                                 std::filesystem::perms::owner_all);
  }

  host::Completed run(const std::vector<std::string>& more) {
    host::Command command;
    command.argv = {GPUNODE,    "facts",
                    "--labels", "--no-timestamp",
                    "--root",   tree_.path("host"),
                    "--probe",  tree_.path("probe")};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    auto done = host::SystemCommandRunner().run(command);
    EXPECT_TRUE(done) << done.error().message();
    return done ? *std::move(done) : host::Completed();
  }

  host::HostTree tree_;
};

TEST_P(FactsLabels, AreThoseOfTheAgent) {
  const std::string name = GetParam();  // "a100-x8-mig-mixed.single"
  use_profile(name.substr(0, name.find('.')));
  const host::Completed done =
      run({"--mig-strategy", name.substr(name.find('.') + 1)});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(done.out, read_file(std::string(LABELS_GOLDEN) + "/" + name));
  EXPECT_NE(done.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    Profiles, FactsLabels,
    testing::Values("a10g-x1.none", "t4-x4.none", "v100-x8.none",
                    "a100-x8.none", "h100-x8.none", "h200-x1.none",
                    "b200-x8.none", "none.none", "a100-x8.single",
                    "a100-x8-mig-single.none", "a100-x8-mig-single.single",
                    "a100-x8-mig-single.mixed", "a100-x8-mig-mixed.single",
                    "a100-x8-mig-mixed.mixed", "a100-x8-mig-ci.mixed",
                    "a100-x8-mig-empty.single", "a100-x8-mig-empty.mixed"));

using FactsLabelsCli = FactsLabels;

TEST_F(FactsLabelsCli, FollowTheConfiguration) {
  tree_.file("plugin.yaml",
             "version: v1\nsharing: {timeSlicing: {resources: "
             "[{name: nvidia.com/gpu, replicas: 20}]}}\n");
  const host::Completed done =
      run({"--json", "--config-file", tree_.path("plugin.yaml")});
  EXPECT_EQ(done.status, 0) << done.err;
  const auto labels = nlohmann::json::parse(done.out, nullptr, false);
  ASSERT_TRUE(labels.is_object()) << done.out;
  EXPECT_EQ(labels["nvidia.com/gpu.replicas"], "20");
  EXPECT_EQ(labels["nvidia.com/gpu.product"], "Tesla-T4-SHARED");

  tree_.file("plugin.yaml", "version: v7\n");
  const host::Completed refused =
      run({"--config-file", tree_.path("plugin.yaml")});
  EXPECT_EQ(refused.status, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr("unknown version: v7"));
}

TEST_F(FactsLabelsCli, TellOfAGpuThatTheDriverDoesNotDescribe) {
  // Of t4-x4's four, the first alone.
  const auto profile =
      fake_nvml::load_profile(std::string(FAKE_NVML_PROFILES) + "/t4-x4.json");
  ASSERT_TRUE(profile);
  const std::string pci = profile->gpus[0].pci_bus_id;
  probe(R"(echo '{"driverVersion":"1.2","gpus":[{"name":"Tesla T4",)"
        R"("pciBusId":")" +
        pci + R"("}]}')");
  const host::Completed done = run({});
  EXPECT_EQ(done.status, 0);
  EXPECT_THAT(done.out, HasSubstr("nvidia.com/gpu.count=1\n"));
  EXPECT_THAT(done.err, AllOf(HasSubstr("is not counted"),
                              Not(HasSubstr("GPU at " + pci))));
}

TEST_F(FactsLabelsCli, SayWhyThereAreNone) {
  probe("echo 'gpunode-probe: start NVML: Driver Not Loaded (9)' >&2; exit 1");
  const host::Completed down = run({});
  EXPECT_EQ(down.status, 1);
  EXPECT_EQ(down.out, "");
  EXPECT_THAT(down.err, HasSubstr("Driver Not Loaded"));

  probe("echo '{\"gpus\":'");
  const host::Completed nonsense = run({});
  EXPECT_EQ(nonsense.status, 1);
  EXPECT_THAT(nonsense.err, HasSubstr("gpunode-probe's report"));

  EXPECT_EQ(run({"--mig-strategy", "triple"}).status, 1);
  EXPECT_EQ(run({"--machine-typ-file", "x"}).status, 64);
}

}  // namespace
}  // namespace gpunode::integration
