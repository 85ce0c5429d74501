#include "agent/plugin/cdi_specs.h"

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "container/cdi/registry.h"
#include "gpu/procfs/gpu_list.h"
#include "tests/doubles/nvml/driver_tree.h"

namespace gpunode::plugin {
namespace {

using config::DeviceListStrategy;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kGpuSpec =
    "var/run/cdi/k8s.device-plugin.nvidia.com-gpu.json";

/// A host with a driver and its GPUs, made of files.
class CdiSpecs : public testing::Test {
 protected:
  CdiSpecs() {
    std::string pattern = testing::TempDir() + "cdi_specs.XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    settings_.device_list_strategies = {DeviceListStrategy::kCdiCri};
    settings_.driver_root_ctr_path = "/nowhere";
  }
  ~CdiSpecs() override { std::filesystem::remove_all(folder_); }

  void lay(const std::string& profile, bool with_cuda = true) {
    const std::string path =
        std::string(FAKE_NVML_PROFILES) + "/" + profile + ".json";
    const std::string cuda = folder_ / "libcuda.so.1";
    std::ofstream(cuda) << "a library";
    const auto parsed = fake_nvml::load_profile(path);
    ASSERT_TRUE(parsed) << parsed.error().message();
    fake_nvml::DriverTree tree{root(), "", "", {}};
    if (with_cuda) tree.more_libraries = {cuda};
    const auto laid = fake_nvml::lay_driver_tree(*parsed, tree);
    ASSERT_TRUE(laid) << laid.error().message();
  }

  std::string root() const { return folder_ / "host"; }
  host::HostRoot host() const { return host::HostRoot(root()); }

  Result<std::vector<cdi::Spec>> make() const {
    auto inventory = procfs::list_gpus(host());
    if (!inventory) return std::move(inventory).error();
    return make_cdi_specs(settings_, host_devices_,
                          DriverLook().find(settings_, host(), *inventory));
  }

  /// What a runtime would find in the files that were written.
  std::vector<std::string> names() const {
    const std::array<std::string, 1> directories = {"/var/run/cdi"};
    return cdi::Registry::load(host(), directories).device_names();
  }

  config::Settings settings_;
  HostDevices host_devices_;
  std::filesystem::path folder_;
};

TEST_F(CdiSpecs, NamesAreThoseOfAnswers) {
  lay("t4-x4");
  settings_.device_id_strategy = config::DeviceIdStrategy::kIndex;
  const auto specs = make();
  ASSERT_TRUE(specs) << specs.error().message();
  ASSERT_TRUE(write_cdi_specs(host(), *specs));
  EXPECT_THAT(names(), ElementsAre("k8s.device-plugin.nvidia.com/gpu=0",
                                   "k8s.device-plugin.nvidia.com/gpu=1",
                                   "k8s.device-plugin.nvidia.com/gpu=2",
                                   "k8s.device-plugin.nvidia.com/gpu=3"));
  settings_.device_id_strategy = config::DeviceIdStrategy::kUuid;
  const auto by_uuid = make();
  ASSERT_TRUE(by_uuid);
  ASSERT_TRUE(write_cdi_specs(host(), *by_uuid));
  EXPECT_THAT(names(), Contains(HasSubstr("gpu=GPU-")));
  EXPECT_THAT(names(), Not(Contains("k8s.device-plugin.nvidia.com/gpu=0")));
}

TEST_F(CdiSpecs, PathsAreThoseOfTheHost) {
  lay("a10g-x1");
  settings_.driver_root_ctr_path = root();
  settings_.driver_root = "/run/nvidia/driver";
  settings_.dev_root = "/run/nvidia/driver";
  const auto specs = make();
  ASSERT_TRUE(specs) << specs.error().message();
  const cdi::ContainerEdits& edits = specs->front().edits;
  ASSERT_THAT(edits.mounts, Not(IsEmpty()));
  EXPECT_THAT(edits.mounts.front().host_path,
              testing::StartsWith("/run/nvidia/driver/usr/lib"));
  EXPECT_THAT(edits.mounts.front().container_path,
              testing::StartsWith("/usr/lib"));
}

TEST_F(CdiSpecs, WithoutLibcudaThereIsNoSpecAndARemedy) {
  lay("a10g-x1", /*with_cuda=*/false);
  const auto specs = make();
  ASSERT_FALSE(specs);
  EXPECT_THAT(specs.error().message(), HasSubstr("libcuda.so.545.23.08"));
  EXPECT_THAT(specs.error().message(), HasSubstr("--driver-root-ctr-path"));
}

TEST_F(CdiSpecs, WhatIsAskedForGoesAlongOnlyWhereTheHostHasIt) {
  lay("a10g-x1");
  settings_.gds_enabled = settings_.gdrcopy_enabled = true;
  const auto without = make();
  ASSERT_TRUE(without) << without.error().message();
  EXPECT_THAT(further_cdi_devices(*without), IsEmpty());

  ASSERT_EQ(::mknod((root() + "/dev/gdrdrv").c_str(), S_IFCHR | 0666, 0), 0)
      << "makes a device node, so it needs root";
  const auto with = make();
  ASSERT_TRUE(with);
  EXPECT_THAT(further_cdi_devices(*with), ElementsAre("gdrcopy=all"));
  ASSERT_TRUE(write_cdi_specs(host(), *with));
  EXPECT_THAT(names(), Contains("k8s.device-plugin.nvidia.com/gdrcopy=all"));

  // No longer asked for: its file would promise what nobody keeps.
  settings_.gdrcopy_enabled = false;
  const auto again = make();
  ASSERT_TRUE(again);
  ASSERT_TRUE(write_cdi_specs(host(), *again));
  EXPECT_THAT(names(),
              Not(Contains("k8s.device-plugin.nvidia.com/gdrcopy=all")));
}

// Of the host it is given, not of this process.
TEST_F(CdiSpecs, GoWhereTheHostsVarRunLeads) {
  lay("a10g-x1");
  std::filesystem::create_directories(root() + "/run");
  std::filesystem::create_directories(root() + "/var");
  std::filesystem::create_symlink("/run", root() + "/var/run");
  const auto specs = make();
  ASSERT_TRUE(specs) << specs.error().message();
  ASSERT_TRUE(write_cdi_specs(host(), *specs));
  EXPECT_TRUE(std::filesystem::exists(
      root() + "/run/cdi/k8s.device-plugin.nvidia.com-gpu.json"));
  EXPECT_THAT(names(), Not(IsEmpty()));
}

TEST_F(CdiSpecs, AFileThatIsRightIsLeftAlone) {
  lay("a10g-x1");
  const auto specs = make();
  ASSERT_TRUE(specs);
  ASSERT_TRUE(write_cdi_specs(host(), *specs));
  struct stat before {};
  ASSERT_EQ(::stat((root() + "/" + kGpuSpec).c_str(), &before), 0);
  ASSERT_TRUE(write_cdi_specs(host(), *specs));
  struct stat after {};
  ASSERT_EQ(::stat((root() + "/" + kGpuSpec).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(after.st_mode & 0777U, 0644U);
}

}  // namespace
}  // namespace gpunode::plugin
