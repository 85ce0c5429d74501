#include "node/driver/kernel_target.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::driver {
namespace {

using testing::HasSubstr;

constexpr const char* kOld = "4.18.0-513.5.1.el8_9.x86_64";
constexpr const char* kNew = "4.18.0-553.22.1.el8_10.x86_64";

/// A Rocky that runs kOld.
facts::HostFacts host_with(std::initializer_list<const char*> releases,
                           const char* next) {
  facts::HostFacts host;
  host.kernel.release = kOld;
  host.kernel.machine = "x86_64";
  for (const char* release : releases) {
    host.kernels.images.emplace_back().release = release;
  }
  host.kernels.next = next;
  host.kernels.next_why = "GRUB's saved_entry";
  return host;
}

// What the seed did: an update brought a kernel, headers for the running one
// were installed, and the next boot had no driver (node.md 0.5).
TEST(KernelTarget, IsTheOneThatBootsNext) {
  const TargetKernel target = target_kernel(host_with({kOld, kNew}, kNew), {});
  ASSERT_TRUE(target.is_settled()) << target.blocked;
  EXPECT_EQ(target.release, kNew);
  EXPECT_FALSE(target.is_running);
  EXPECT_TRUE(target.is_installed);
  EXPECT_TRUE(target.boots_next);
  EXPECT_EQ(target.why, "GRUB's saved_entry");
}

TEST(KernelTarget, IsTheRunningOneIfThatBootsNext) {
  const TargetKernel target = target_kernel(host_with({kOld}, kOld), {});
  EXPECT_TRUE(target.is_running);
  EXPECT_TRUE(target.boots_next);
}

TEST(KernelTarget, IsNotSettledWhereTheLoaderIsNotKnown) {
  facts::HostFacts host = host_with({kOld, kNew}, "");
  host.kernels.next_why = "GRUB_DEFAULT is \"1>2\"";
  const TargetKernel target = target_kernel(host, {});
  EXPECT_EQ(target.release, "");
  EXPECT_THAT(target.blocked, HasSubstr("GRUB_DEFAULT is \"1>2\""));
  EXPECT_THAT(target.fix, HasSubstr("pinRunning"));
}

TEST(KernelTarget, IsTheOnlyOneWhateverTheLoader) {
  const TargetKernel target = target_kernel(host_with({kOld}, ""), {});
  EXPECT_EQ(target.release, kOld);
  // Another one alone: what runs is not installed, and what boots not known.
  EXPECT_FALSE(target_kernel(host_with({kNew}, ""), {}).is_settled());
}

TEST(KernelTarget, IsNoKernelWithoutModules) {
  const TargetKernel target = target_kernel(host_with({kOld}, kNew), {});
  EXPECT_FALSE(target.is_settled());
  EXPECT_THAT(target.blocked,
              HasSubstr(std::string("no /lib/modules/") + kNew));
}

TEST(KernelTarget, IsTheRunningOneIfPinned) {
  const KernelWish pin{.policy = KernelPolicy::kPinRunning};
  const TargetKernel target = target_kernel(host_with({kOld, kNew}, kNew), pin);
  EXPECT_EQ(target.release, kOld);
  EXPECT_TRUE(target.is_running);
  EXPECT_FALSE(target.boots_next);
}

TEST(KernelTarget, ARunningOneThatIsRemovedCannotBePinned) {
  const KernelWish pin{.policy = KernelPolicy::kPinRunning};
  const TargetKernel target = target_kernel(host_with({kNew}, kNew), pin);
  EXPECT_FALSE(target.is_settled());
  EXPECT_THAT(target.fix, HasSubstr("adoptNewest"));

  facts::HostFacts elsewhere = host_with({kNew}, kNew);
  elsewhere.kernel.release = "";
  EXPECT_THAT(target_kernel(elsewhere, pin).blocked,
              HasSubstr("no kernel runs"));
}

TEST(KernelTarget, AnExactOneMayHaveToCome) {
  const KernelWish exact{KernelPolicy::kExact, kNew};
  const TargetKernel absent = target_kernel(host_with({kOld}, kOld), exact);
  ASSERT_TRUE(absent.is_settled());
  EXPECT_EQ(absent.release, kNew);
  EXPECT_FALSE(absent.is_installed);
  EXPECT_TRUE(target_kernel(host_with({kOld, kNew}, kOld), exact).is_installed);
}

TEST(KernelTarget, AnExactOneIsForThisMachine) {
  const KernelWish exact{KernelPolicy::kExact, "5.14.0-1.el9.aarch64+64k"};
  const TargetKernel target = target_kernel(host_with({kOld}, kOld), exact);
  EXPECT_FALSE(target.is_settled());
  EXPECT_THAT(target.blocked, HasSubstr("aarch64"));
}

}  // namespace
}  // namespace gpunode::driver
