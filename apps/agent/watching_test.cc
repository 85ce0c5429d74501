#include "apps/agent/watching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode {
namespace {

using host::HostTree;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kRoot = "1 0 0:30 / / ro - overlay overlay rw\n";

std::string with_mount_at(const std::string& place) {
  const HostTree tree{{"proc/self/mountinfo", kRoot + ("2 1 0:26 /x " + place) +
                                                  " rw - tmpfs tmpfs rw\n"}};
  return why_no_accounts(host::HostRoot(tree.path()));
}

TEST(WatchingTest, AccountsAreSeenWhereTheHostsDirectoryIsMounted) {
  EXPECT_THAT(with_mount_at("/run/gpunode/allocations"), IsEmpty());
  EXPECT_THAT(with_mount_at("/run"), IsEmpty());
}

TEST(WatchingTest, WhatElseIsMountedIsNoAccountsAndSaysWhatIsMissing) {
  for (const char* place : {"/run/gpunode", "/run/cdi", "/var/lib/gpunode"}) {
    EXPECT_THAT(with_mount_at(place),
                AllOf(HasSubstr("/run/gpunode/allocations is not mounted"),
                      HasSubstr("shares: true")))
        << place;
  }
}

TEST(WatchingTest, ATableThatCannotBeReadIsSaid) {
  const HostTree none;
  EXPECT_THAT(why_no_accounts(host::HostRoot(none.path())),
              HasSubstr("it is not known whether"));
  const HostTree nonsense{{"proc/self/mountinfo", "half a line"}};
  EXPECT_THAT(why_no_accounts(host::HostRoot(nonsense.path())),
              HasSubstr("is not mounted"));
}

TEST(WatchingTest, ProcessesAreSeenInTheHostsNamespaceAlone) {
  const HostTree host{{"proc/2/comm", "kthreadd\n"}};
  EXPECT_THAT(why_no_processes(host::HostRoot(host.path())), IsEmpty());
  const HostTree none;
  EXPECT_THAT(why_no_processes(host::HostRoot(none.path())),
              HasSubstr("hostPID: true"));
  const HostTree own{{"proc/2/comm", "sh\n"}};
  EXPECT_THAT(why_no_processes(host::HostRoot(own.path())),
              HasSubstr("hostPID: true"));
}

}  // namespace
}  // namespace gpunode
