#include "share/grants/process_table.h"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "share/ledger/layout.h"
#include "share/ledger/process_identity.h"

namespace gpunode::share {
namespace {

std::uint32_t low_bits(std::uint32_t inode) {
  return SlotWord::lowest(SlotWord::kNamespaceBits, inode);
}

TEST(ProcessTable, HasThisProcessAsALedgerNamesIt) {
  const host::HostRoot host;
  const ProcessIdentity self = identity_of_this_process();
  const ProcessTable table = ProcessTable::read(host);
  const HostProcess* const found =
      table.find(self.pid, low_bits(self.pid_namespace), self.start_time);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->pid, self.pid);
  EXPECT_EQ(found->start_time, self.start_time);
  EXPECT_EQ(*read_process(host, self.pid), *found);
  EXPECT_TRUE(may_live(host, self.pid, self.start_time));
  EXPECT_FALSE(may_live(host, self.pid, self.start_time + 1));
  EXPECT_EQ(
      table.find(self.pid, low_bits(self.pid_namespace), self.start_time + 1),
      nullptr);
  EXPECT_EQ(
      table.find(self.pid, low_bits(self.pid_namespace) ^ 1, self.start_time),
      nullptr);
}

TEST(ProcessTable, FindsByInnerPidAndWhereTheKernelDoesNotTellItByTheTime) {
  const ProcessTable table({{100, 7, 0x40001, 55}, {101, 0, 0x40002, 56}});
  ASSERT_NE(table.find(7, 1, 55), nullptr);
  EXPECT_EQ(table.find(7, 1, 55)->pid, 100u);
  EXPECT_EQ(table.find(8, 1, 55), nullptr);
  ASSERT_NE(table.find(8, 2, 56), nullptr);
  EXPECT_EQ(table.find(8, 2, 57), nullptr);
  EXPECT_NE(table.find(7, 1, 0), nullptr) << "an unknown time fits";
  // A namespace that may not be looked at fits as well.
  EXPECT_NE(ProcessTable({{102, 9, 0, 57}}).find(9, 1, 57), nullptr);
  EXPECT_EQ(ProcessTable({{102, 9, 0, 57}}).find(8, 1, 57), nullptr);
}

TEST(ProcessTable, HasNobodyWhoIsNotThere) {
  EXPECT_FALSE(*read_process(host::HostRoot(), 1 << 22));
  EXPECT_FALSE(may_live(host::HostRoot(), 1 << 22, 0));
  const std::uint32_t own = low_bits(identity_of_this_process().pid_namespace);
  EXPECT_FALSE(ProcessTable::read(host::HostRoot("/nowhere")).can_tell(own));
  EXPECT_TRUE(ProcessTable::read(host::HostRoot()).can_tell(own));
}

TEST(ProcessTable, AZombieIsNobody) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT),
            0);
  EXPECT_FALSE(
      *read_process(host::HostRoot(), static_cast<std::uint32_t>(child)));
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED), 0);
}

TEST(ProcessTable, TellsOfOtherNamespacesOnlyWhereItHasAnyProcessOfOne) {
  const ProcessIdentity self = identity_of_this_process();
  const std::uint32_t other = low_bits(self.pid_namespace) ^ 1;
  const HostProcess own{self.pid, self.pid, self.pid_namespace,
                        self.start_time};
  EXPECT_FALSE(ProcessTable({own}).can_tell(other));
  const HostProcess inside{4711, 1, 0, 9, true};
  EXPECT_TRUE(ProcessTable({own, inside}).can_tell(other));
  EXPECT_FALSE(ProcessTable({inside}).can_tell(other)) << "not even oneself";
  EXPECT_FALSE(ProcessTable({own, inside}, false).can_tell(other))
      << "something could not be read";
}

}  // namespace
}  // namespace gpunode::share
