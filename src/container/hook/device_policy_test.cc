#include "container/hook/device_policy.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "container/hook/own_mounts_test.h"

namespace gpunode::hook {
namespace {

using host::Change;

constexpr const char* kParams =
    "ResmanDebugLevel: 4294967295\nModifyDeviceFiles: 1\nDeviceFileUID: 0\n";
constexpr const char* kChanged =
    "ResmanDebugLevel: 4294967295\nModifyDeviceFiles: 0\nDeviceFileUID: 0\n";

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(DevicePolicy, ChangesOneSettingAndNoOtherByte) {
  EXPECT_EQ(without_device_file_changes(kParams), kChanged);
  EXPECT_EQ(without_device_file_changes(kChanged), kChanged);
  EXPECT_EQ(without_device_file_changes("ModifyDeviceFiles: 1"),
            "ModifyDeviceFiles: 0");
  EXPECT_EQ(without_device_file_changes("XModifyDeviceFiles: 1\n"),
            "XModifyDeviceFiles: 1\n");
  EXPECT_EQ(without_device_file_changes(""), "");
}

/// A root with a procfs that has the driver's file. The driver being absent, a
/// tmpfs at /proc/driver stands for it.
void mount_proc(const std::string& root) {
  ASSERT_EQ(::mount("proc", (root + "/proc").c_str(), "proc", 0, nullptr), 0);
  const std::string driver = root + "/proc/driver";
  ASSERT_EQ(::mount("none", driver.c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(::mkdir((driver + "/nvidia").c_str(), 0755), 0);
  std::ofstream(driver + "/nvidia/params") << kParams;
}

TEST(DevicePolicy, ShowsTheContainerTheChangedCopy) {
  const host::HostTree host{{"proc/driver/nvidia/params", kParams}};
  const host::HostTree tree;
  tree.directory("proc");
  IN_OWN_MOUNTS([&] {
    mount_proc(tree.path());
    const auto root = host::RootDirectory::open(tree.path());
    const auto change = forbid_device_node_changes(host.root(), *root);
    ASSERT_TRUE(change) << change.error().message();
    EXPECT_EQ(*change, Change::kMade);
    const std::string path = tree.path("proc/driver/nvidia/params");
    EXPECT_EQ(content(path), kChanged);
    EXPECT_LT(::open(path.c_str(), O_WRONLY), 0);
    EXPECT_EQ(content(host.path("proc/driver/nvidia/params")), kParams);
    EXPECT_EQ(*forbid_device_node_changes(host.root(), *root), Change::kNone);
  });
}

TEST(DevicePolicy, HasNothingToDoWithoutADriverOrAProc) {
  const host::HostTree none;
  const host::HostTree quiet{{"proc/driver/nvidia/params", kChanged}};
  const host::HostTree host{{"proc/driver/nvidia/params", kParams}};
  // An image's own file of that name is not the driver's.
  const host::HostTree tree{{"proc/driver/nvidia/params", kParams}};
  const auto root = host::RootDirectory::open(tree.path());
  EXPECT_EQ(*forbid_device_node_changes(none.root(), *root), Change::kNone);
  EXPECT_EQ(*forbid_device_node_changes(quiet.root(), *root), Change::kNone);
  EXPECT_EQ(*forbid_device_node_changes(host.root(), *root), Change::kNone);
  tree.remove("proc");
  EXPECT_EQ(*forbid_device_node_changes(host.root(), *root), Change::kNone);
}

TEST(DevicePolicy, RefusesAProcThatIsALink) {
  const host::HostTree host{{"proc/driver/nvidia/params", kParams}};
  const host::HostTree tree{{"elsewhere/driver/nvidia/params", "image"}};
  tree.link("proc", "elsewhere");
  const auto root = host::RootDirectory::open(tree.path());
  EXPECT_FALSE(forbid_device_node_changes(host.root(), *root));
  tree.remove("proc");
  tree.link("proc", "/proc");
  EXPECT_FALSE(forbid_device_node_changes(host.root(), *root));
}

}  // namespace
}  // namespace gpunode::hook
