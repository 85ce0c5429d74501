#include "node/facts/kernel_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(Sysctls, AreThoseThatTheKernelHas) {
  const HostTree host{{"proc/sys/net/ipv4/ip_forward", "1\n"},
                      {"proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"},
                      {"proc/sys/net/ipv4/conf/eth0.1/forwarding", "0\n"}};
  HostFacts facts;
  read_wanted_sysctls(host.root(),
                      {.sysctls = {"net.ipv4.ip_forward", "net.ipv4.tcp_rmem",
                                   "net.ipv4.conf.eth0/1.forwarding",
                                   "net.bridge.bridge-nf-call-iptables"}},
                      facts);
  EXPECT_THAT(facts.sysctls,
              ElementsAre(Pair("net.ipv4.conf.eth0/1.forwarding", "0"),
                          Pair("net.ipv4.ip_forward", "1"),
                          Pair("net.ipv4.tcp_rmem", "4096\t131072\t6291456")));
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Sysctls, LeadNowhereElse) {
  EXPECT_EQ(sysctl_path("vm.swappiness"), "/proc/sys/vm/swappiness");
  for (const char* wrong : {"", ".", "..", "a..b", "a.//.b", "a./.b", "x\ny"}) {
    EXPECT_EQ(sysctl_path(wrong), std::nullopt) << wrong;
  }
}

TEST(Sysctls, ThatCannotBeReadAreGaps) {
  const HostTree host;
  host.directory("proc/sys/net/ipv4");
  HostFacts facts;
  read_wanted_sysctls(host.root(), {.sysctls = {"net.ipv4", "a..b"}}, facts);
  EXPECT_THAT(facts.sysctls, IsEmpty());
  EXPECT_THAT(facts.gaps, ElementsAre("sysctl a..b is no name of a setting",
                                      "sysctl net.ipv4: not a regular file"));
}

constexpr const char* kModules =
    "overlay 151552 12 - Live 0x0000000000000000\n"
    "nvidia_uvm 1540096 0 - Live 0x0000000000000000 (POE)\n"
    "nouveau 2400256 1 - Unloading 0x0000000000000000\n"
    "vfio_pci 16384 0 - Loading 0x0000000000000000\n";

HostFacts modules_of(const HostTree& host, std::set<std::string> names) {
  HostFacts facts;
  facts.kernel.release = "6.1.0-18-amd64";
  Wanted wanted;
  wanted.modules = std::move(names);
  read_wanted_modules(host.root(), wanted, facts);
  return facts;
}

TEST(Modules, AreThoseLoadedAndThoseBuiltIn) {
  const HostTree host{{"proc/modules", kModules},
                      {"sys/module/loop/parameters/max_loop", "8\n"},
                      {"sys/module/nouveau/refcnt", "1\n"},
                      {"usr/lib/modules/6.1.0-18-amd64/modules.builtin",
                       "kernel/fs/xfs/xfs.ko\nkernel/net/br-netfilter.ko\n"}};
  host.link("lib", "usr/lib");
  const HostFacts facts =
      modules_of(host, {"overlay", "nvidia-uvm", "nouveau", "vfio_pci", "loop",
                        "xfs", "br_netfilter", "ib_umad"});
  EXPECT_THAT(facts.modules,
              ElementsAre(Pair("br_netfilter", false), Pair("loop", false),
                          Pair("nvidia_uvm", true), Pair("overlay", true),
                          Pair("xfs", false)));
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Modules, OfAKernelThatDoesNotSayAreAGap) {
  const HostTree host{{"sys/module/overlay/parameters/metacopy", "N\n"}};
  const HostFacts facts = modules_of(host, {"overlay", "br_netfilter", "xfs"});
  EXPECT_THAT(facts.modules, ElementsAre(Pair("overlay", false)));
  EXPECT_THAT(facts.gaps, ElementsAre(HasSubstr("built into the kernel")));
}

TEST(Modules, AreNotLookedAtUnlessWanted) {
  const HostTree host;
  EXPECT_THAT(modules_of(host, {}).gaps, IsEmpty());
}

}  // namespace
}  // namespace gpunode::facts
