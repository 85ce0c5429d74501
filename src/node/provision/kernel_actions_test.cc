#include "node/provision/kernel_actions.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

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
                       "/dev/sda2 partition 10 0 -2\n"}};
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

}  // namespace
}  // namespace gpunode::provision
