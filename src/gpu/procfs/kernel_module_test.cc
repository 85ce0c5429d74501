#include "gpu/procfs/kernel_module.h"

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

TEST(KernelModule, OfTheClosedDriverIsRead) {
  const auto module = parse_kernel_module(
      "NVRM version: NVIDIA UNIX x86_64 Kernel Module  545.23.08  Mon Nov  6 "
      "23:49:37 UTC 2023\nGCC version:  gcc version 12.2.0 (Debian)\n");
  ASSERT_TRUE(module);
  EXPECT_EQ(module->version, "545.23.08");
  EXPECT_FALSE(module->is_open);
}

TEST(KernelModule, OfTheOpenDriverIsRead) {
  const auto module = parse_kernel_module(
      "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  "
      "Release Build  (root@build)  Thu Jan 23 22:32:03 UTC 2025\n");
  ASSERT_TRUE(module);
  EXPECT_EQ(module->version, "570.86.15");
  EXPECT_TRUE(module->is_open);
}

TEST(KernelModule, VersionIsNotTakenFromTheCompilersLine) {
  EXPECT_FALSE(
      parse_kernel_module("NVRM version: unknown\n"
                          "GCC version:  gcc version 12.2.0\n"));
  EXPECT_FALSE(parse_kernel_module("GCC version:  gcc version 12.2.0\n"));
  EXPECT_FALSE(parse_kernel_module(""));
  EXPECT_FALSE(parse_kernel_module("NVRM version: .5 5. 5 5..5 x5.5"));
}

TEST(KernelModule, IsReadFromTheHostsProc) {
  const host::HostTree host{
      {"proc/driver/nvidia/version",
       "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54  Mon\n"}};
  const auto module = load_kernel_module(host.root());
  ASSERT_TRUE(module);
  EXPECT_EQ(module->version, "550.54");
}

TEST(KernelModule, ThatIsNotLoadedIsToldFromOneThatTalksNonsense) {
  const host::HostTree host;
  EXPECT_EQ(load_kernel_module(host.root()).error().code(),
            ErrorCode::kNotFound);
  host.file("proc/driver/nvidia/version", "hello\n");
  EXPECT_EQ(load_kernel_module(host.root()).error().code(),
            ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace gpunode::procfs
