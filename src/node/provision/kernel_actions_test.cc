#include "node/provision/kernel_actions.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "base/host/superblock_bytes.h"

namespace gpunode::provision {
namespace {

using host::Completed;
using host::FakeCommandRunner;
using host::HostTree;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(KernelActions, ASettingIsWrittenAndItsInverseIsTheOldValue) {
  const HostTree tree{{"proc/sys/net/ipv4/ip_forward", "0\n"}};
  FakeCommandRunner runner;
  const KernelActions kernel(tree.root(), runner);
  const SetSysctl action{"net.ipv4.ip_forward", "1"};
  const auto inverse = kernel.prepare(action);
  ASSERT_TRUE(inverse);
  EXPECT_EQ(std::get<SetSysctl>(inverse->actions.at(0)).value, "0");
  ASSERT_TRUE(kernel.perform(action));
  EXPECT_EQ(*tree.root().read_file("/proc/sys/net/ipv4/ip_forward"), "1\n");
}

TEST(KernelActions, ADotInAnInterfacesNameIsASlash) {
  const HostTree tree{{"proc/sys/net/ipv4/conf/eth0.1/rp_filter", "0\n"}};
  FakeCommandRunner runner;
  const KernelActions kernel(tree.root(), runner);
  EXPECT_TRUE(kernel.perform(SetSysctl{"net.ipv4.conf.eth0/1.rp_filter", "2"}));
}

TEST(KernelActions, ASettingThatTheKernelLacksIsAnErrorWithItsPath) {
  const HostTree tree{{"proc/sys/x", "0\n"}};
  FakeCommandRunner runner;
  const KernelActions kernel(tree.root(), runner);
  EXPECT_TRUE(kernel.prepare(SetSysctl{"net.bridge.y", "1"}));
  const auto failed = kernel.perform(SetSysctl{"net.bridge.y", "1"});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(),
              testing::HasSubstr("/proc/sys/net/bridge/y"));
}

TEST(KernelActions, AModuleThatIsThereIsNotLoadedAgain) {
  const HostTree tree{{"proc/modules", "overlay 1 0 - Live 0x0\n"}};
  tree.directory("sys/module/br_netfilter");  // Built in.
  FakeCommandRunner runner;
  const KernelActions kernel(tree.root(), runner);
  EXPECT_TRUE(kernel.perform(SetModule{"overlay"}));
  EXPECT_TRUE(kernel.perform(SetModule{"br_netfilter"}));
  EXPECT_THAT(runner.lines(), IsEmpty());
  EXPECT_THAT(kernel.prepare(SetModule{"overlay"})->actions, IsEmpty());
  // A name that another one starts with is another module.
  runner.script("/sbin/modprobe over", Completed{});
  EXPECT_TRUE(kernel.perform(SetModule{"over"}));
  EXPECT_THAT(runner.lines(), ElementsAre("/sbin/modprobe over"));
}

TEST(KernelActions, SwapGoesOffAndComesBack) {
  const HostTree tree{{"proc/swaps",
                       "Filename Type Size Used Priority\n"
                       "/dev/sda2 partition 10 0 -2\n"},
                      {"dev/sda2", host::swap_space()}};
  FakeCommandRunner runner;
  runner.script("/sbin/swapoff /dev/sda2", Completed{});
  const KernelActions kernel(tree.root(), runner);
  const auto inverse = kernel.prepare(SetSwap{"/dev/sda2", false});
  ASSERT_TRUE(inverse);
  EXPECT_TRUE(std::get<SetSwap>(inverse->actions.at(0)).on);
  ASSERT_TRUE(kernel.perform(SetSwap{"/dev/sda2", false}));
  ASSERT_TRUE(kernel.perform(SetSwap{"/dev/sda2", true}));  // Is on here.
  EXPECT_THAT(runner.lines(), ElementsAre("/sbin/swapoff /dev/sda2"));
}

constexpr const char* kNoSwaps = "Filename Type Size Used Priority\n";

TEST(KernelActions, SwapComesBackByItsUuidWithItsPriority) {
  const HostTree tree{
      {"proc/swaps", std::string(kNoSwaps) + "/dev/sdb2 partition 10 0 7\n"},
      {"dev/sdb2", host::swap_space()}};
  FakeCommandRunner runner;
  const KernelActions kernel(tree.root(), runner);
  const auto inverse = kernel.prepare(SetSwap{"/dev/sdb2", false});
  ASSERT_TRUE(inverse);
  EXPECT_EQ(inverse->undo, Undo::kExact);
  const auto& back = std::get<SetSwap>(inverse->actions.at(0));
  EXPECT_EQ(back.uuid, host::kSampleUuid);
  // A boot later the disk is sdc, and sdb is another's.
  tree.file("proc/swaps", kNoSwaps);
  tree.file("dev/sdb2", "data");
  tree.file("dev/sdc2", host::swap_space());
  tree.directory("dev/disk/by-uuid");
  tree.link("dev/disk/by-uuid/" + back.uuid, "../../sdc2");
  runner.script("/sbin/swapon --priority 7 /dev/sdc2", Completed{});
  EXPECT_TRUE(kernel.perform(back));
  EXPECT_THAT(runner.lines(),
              ElementsAre("/sbin/swapon --priority 7 /dev/sdc2"));
}

TEST(KernelActions, SwapThatIsNowhereAnyMoreIsPassedOver) {
  const HostTree tree{{"proc/swaps", kNoSwaps},
                      {"dev/zram0", std::string(8192, '\0')}};
  FakeCommandRunner runner;
  const KernelActions kernel(tree.root(), runner);
  // Made anew, and not yet swap space; gone; another's by now.
  EXPECT_TRUE(kernel.perform(SetSwap{"/dev/zram0", true}));
  EXPECT_TRUE(kernel.perform(SetSwap{"/dev/sdz1", true}));
  tree.file("dev/sda1", host::swap_space());
  EXPECT_TRUE(kernel.perform(
      SetSwap{"/dev/sda1", true, "11111111-2222-3333-4444-555555555555"}));
  EXPECT_THAT(runner.lines(), IsEmpty());
}

TEST(KernelActions, SwapWithoutAUuidIsSaidToBeCompensatedFor) {
  const HostTree tree{{"proc/swaps", std::string(kNoSwaps) +
                                         "/dev/zram0 partition 10 0 100\n"}};
  FakeCommandRunner runner;
  const auto inverse =
      KernelActions(tree.root(), runner).prepare(SetSwap{"/dev/zram0", false});
  ASSERT_TRUE(inverse);
  EXPECT_EQ(inverse->undo, Undo::kCompensating);
  EXPECT_EQ(std::get<SetSwap>(inverse->actions.at(0)).priority, "100");
}

}  // namespace
}  // namespace gpunode::provision
