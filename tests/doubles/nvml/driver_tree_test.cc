#include "tests/doubles/nvml/driver_tree.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/nvml/loaded_library.h"

namespace gpunode::fake_nvml {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Tree : public testing::Test {
 protected:
  Tree() {
    std::string pattern = testing::TempDir() + "driver_tree.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~Tree() override { std::filesystem::remove_all(root_); }

  void lay(const std::string& name) {
    const std::string path =
        std::string(FAKE_NVML_PROFILES) + "/" + name + ".json";
    const auto profile = load_profile(path);
    ASSERT_TRUE(profile) << profile.error().message();
    const std::string cuda = root_ + "/libcuda.so.1";
    std::ofstream(cuda) << "a library";
    const auto done = lay_driver_tree(*profile, {.root = root_,
                                                 .profile_path = path,
                                                 .library = FAKE_NVML_LIBRARY,
                                                 .more_libraries = {cuda}});
    ASSERT_TRUE(done) << done.error().message();
  }

  std::string text(const std::string& path) { return read(root_ + "/" + path); }

  std::string root_;
};

TEST_F(Tree, TellsOfA10gWhatTheKernelWould) {
  lay("a10g-x1");
  EXPECT_THAT(text("proc/driver/nvidia/version"),
              HasSubstr("Kernel Module  545.23.08  "));
  const std::string about =
      text("proc/driver/nvidia/gpus/0000:00:1e.0/information");
  EXPECT_THAT(about, StartsWith("Model: \t\t NVIDIA A10G\n"));
  EXPECT_THAT(about, HasSubstr("GPU UUID: \t GPU-"));
  EXPECT_THAT(about, HasSubstr("Device Minor: \t 0\n"));
  const std::string device = "sys/bus/pci/devices/0000:00:1e.0/";
  EXPECT_EQ(text(device + "vendor"), "0x10de\n");
  EXPECT_EQ(text(device + "device"), "0x2237\n");
  EXPECT_EQ(text(device + "class"), "0x030200\n");
  EXPECT_EQ(text(device + "numa_node"), "-1\n");
  EXPECT_THAT(text(device + "config"), StartsWith("\xde\x10\x37\x22"));
  EXPECT_EQ(text(device + "config").size(), 256U);
}

TEST_F(Tree, NumbersCapabilitiesAsTheDriverDoes) {
  EXPECT_EQ(gpu_instance_cap(0, 1), 12U);
  EXPECT_EQ(compute_instance_cap(0, 9, 0), 85U);
  EXPECT_EQ(compute_instance_cap(7, 14, 7), 1082U);
  lay("a100-x8-mig-mixed");
  const std::string minors = text("proc/driver/nvidia-caps/mig-minors");
  EXPECT_THAT(minors, StartsWith("config 1\nmonitor 2\ngpu0/gi0/access 3\n"));
  EXPECT_THAT(minors, HasSubstr("\ngpu0/gi9/ci0/access 85\n"));
  // Index 0 has minor 2, and its capability files go by the minor.
  EXPECT_THAT(text("proc/driver/nvidia/capabilities/gpu2/mig/gi7/ci0/access"),
              StartsWith("DeviceFileMinor: " +
                         std::to_string(compute_instance_cap(2, 7, 0)) + "\n"));
}

TEST_F(Tree, HasDeviceNodesWhereTheCallerMayMakeThem) {
  lay("t4-x4");
  struct stat info {};
  ASSERT_EQ(::stat((root_ + "/dev/nvidia3").c_str(), &info), 0);
  if (S_ISCHR(info.st_mode)) {
    EXPECT_EQ(major(info.st_rdev), 195U);
    EXPECT_EQ(minor(info.st_rdev), 3U);
  } else {
    EXPECT_TRUE(S_ISREG(info.st_mode));
  }
  EXPECT_EQ(::stat((root_ + "/dev/nvidiactl").c_str(), &info), 0);
  EXPECT_NE(::stat((root_ + "/dev/nvidia4").c_str(), &info), 0);
}

TEST_F(Tree, ALibraryInItFindsTheProfileBesideIt) {
  lay("t4-x4");
  ::unsetenv("GPUNODE_FAKE_NVML");
  ::unsetenv("GPUNODE_FAKE_NVML_CONTROL");
  const LoadedLibrary library(root_ +
                              "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1");
  ASSERT_TRUE(library.is_open());
  ASSERT_EQ(NVML(library, nvmlInit_v2)(), NVML_SUCCESS);
  unsigned count = 0;
  EXPECT_EQ(NVML(library, nvmlDeviceGetCount_v2)(&count), NVML_SUCCESS);
  EXPECT_EQ(count, 4U);
  NVML(library, nvmlShutdown)();
}

TEST_F(Tree, FurtherLibrariesAreLaidAsADriversPackageLaysThem) {
  lay("a10g-x1");
  const std::string folder = root_ + "/usr/lib/x86_64-linux-gnu/";
  EXPECT_EQ(std::filesystem::read_symlink(folder + "libcuda.so.1"),
            "libcuda.so.545.23.08");
  EXPECT_EQ(text("usr/lib/x86_64-linux-gnu/libcuda.so.545.23.08"), "a library");
}

TEST_F(Tree, LaidAgainKeepsNothingOfTheOldMachine) {
  lay("a10g-x1");
  lay("t4-x4");
  EXPECT_THAT(text("proc/driver/nvidia/version"), HasSubstr("535.183.01"));
  lay("none");
  EXPECT_FALSE(std::filesystem::exists(root_ + "/dev/nvidia0"));
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/sys/bus/pci/devices"));
  EXPECT_TRUE(std::filesystem::is_empty(root_ + "/proc/driver/nvidia/gpus"));
}

TEST_F(Tree, IsNeverLaidOverTheMachineItself) {
  EXPECT_FALSE(lay_driver_tree({}, {.root = "/tmp/..",
                                    .profile_path = "",
                                    .library = "",
                                    .more_libraries = {}}));
}

}  // namespace
}  // namespace gpunode::fake_nvml
