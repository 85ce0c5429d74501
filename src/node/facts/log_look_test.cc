#include "node/facts/log_look.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/facts/recording.h"

namespace gpunode::facts {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kJournal =
    "/usr/bin/journalctl -k -b -o short-monotonic --lines 5000 --quiet "
    "--no-pager";

TEST(LogLook, OfAHostWithoutLogsIsEmpty) {
  host::FakeCommandRunner runner;
  const LogFacts logs = read_logs(host::HostTree().root(), runner);
  EXPECT_EQ(logs.kernel, "");
  EXPECT_THAT(logs.builds, IsEmpty());
  EXPECT_THAT(logs.packages, IsEmpty());
  EXPECT_EQ(logs.kernel_source, "");
  EXPECT_THAT(logs.gaps,
              ElementsAre(HasSubstr("the kernel's log is not known")));
}

TEST(LogLook, AnybodysWordsBeginNoBoot) {
  host::FakeCommandRunner runner;
  const host::HostTree host{
      {"var/log/messages",
       "d h kernel: Linux version 2\nd h kernel: NVRM: x\n"
       "d h root: Linux version 3\n"}};
  EXPECT_THAT(read_logs(host.root(), runner).kernel, HasSubstr("NVRM: x"));
}

TEST(LogLook, OfAnotherRootIsTheLastBootOfSyslog) {
  host::FakeCommandRunner runner;
  const host::HostTree host{{"var/log/messages",
                             "d h kernel: Linux version 1\nd h kernel: old\n"
                             "d h kernel: Linux version 2\nd h kernel: new\n"}};
  const LogFacts logs = read_logs(host.root(), runner);
  EXPECT_EQ(logs.kernel, "d h kernel: Linux version 2\nd h kernel: new\n");
  EXPECT_EQ(logs.kernel_source, "/var/log/messages");
}

// A log that grew without end is told, and the newest of it read all the same.
TEST(LogLook, OfALongLogIsItsEnd) {
  host::FakeCommandRunner runner;
  const std::string line = "d h kernel: " + std::string(1000, 'x') + "\n";
  std::string text;
  while (text.size() <= kLogLimitBytes) text += line;
  const host::HostTree host{{"var/log/messages", text + "d h kernel: new\n"}};
  const LogFacts logs = read_logs(host.root(), runner);
  EXPECT_LE(logs.kernel.size(), kLogLimitBytes);
  EXPECT_TRUE(logs.kernel.starts_with("d h kernel: xxx"));
  EXPECT_TRUE(logs.kernel.ends_with("\nd h kernel: new\n"));
  EXPECT_THAT(logs.gaps, ElementsAre(HasSubstr("/var/log/messages is long")));
  // Nor is one line without an end read in part.
  const host::HostTree other{
      {"var/log/messages", std::string(kLogLimitBytes + 1, 'x')}};
  EXPECT_EQ(read_logs(other.root(), runner).kernel, "");
}

TEST(LogLook, FindsBuildsThatDidNotEndAndWhatPackageManagersWrote) {
  host::FakeCommandRunner runner;
  const host::HostTree host{
      {"var/lib/dkms/nvidia/580.65.06/build/make.log", "failed"},
      {"var/lib/dkms/nvidia/570.1/5.14.0/x86_64/log/make.log", "went well"},
      {"var/lib/dkms/zfs/2/build/make.log", "not ours"},
      {"var/log/dnf.log", "text"}};
  const LogFacts logs = read_logs(host.root(), runner);
  ASSERT_THAT(logs.builds, SizeIs(1));
  EXPECT_EQ(logs.builds[0].path,
            "/var/lib/dkms/nvidia/580.65.06/build/make.log");
  EXPECT_EQ(logs.builds[0].version, "580.65.06");
  EXPECT_EQ(logs.builds[0].text, "failed");
  ASSERT_THAT(logs.packages, SizeIs(1));
  EXPECT_EQ(logs.packages[0].path, "/var/log/dnf.log");
}

/// A running host that was recorded has nothing but its answers.
host::HostRoot running_host() {
  Recording recording;
  recording.is_live = true;
  return replayed(std::make_shared<const Recording>(recording));
}

TEST(LogLook, OfTheRunningHostIsWhatJournaldSays) {
  host::FakeCommandRunner runner;
  runner.script(kJournal, host::Completed{0, "NVRM: x\n", ""});
  const LogFacts logs = read_logs(running_host(), runner);
  EXPECT_EQ(logs.kernel, "NVRM: x\n");
  EXPECT_THAT(logs.gaps, IsEmpty());
}

TEST(LogLook, AsksTheKernelItselfWhereThereIsNoJournal) {
  host::FakeCommandRunner runner;
  runner.script(kJournal, Error(ErrorCode::kNotFound, "no journalctl"));
  runner.script("/usr/bin/dmesg", host::Completed{0, "[ 1.0] NVRM: x\n", ""});
  const LogFacts logs = read_logs(running_host(), runner);
  EXPECT_EQ(logs.kernel, "[ 1.0] NVRM: x\n");
  EXPECT_EQ(logs.kernel_source, "dmesg");
}

TEST(LogLook, SaysThatTheLogIsNotKnown) {
  host::FakeCommandRunner runner;
  runner.script(kJournal, Error(ErrorCode::kNotFound, "no journalctl"));
  runner.script("/usr/bin/dmesg",
                host::Completed{1, "", "Operation not permitted"});
  const LogFacts logs = read_logs(running_host(), runner);
  ASSERT_THAT(logs.gaps, SizeIs(1));
  EXPECT_THAT(logs.gaps[0], HasSubstr("the kernel's log is not known"));
}

TEST(LogLook, AKernelThatSaidNothingWasNotHeard) {
  host::FakeCommandRunner runner;
  runner.script(kJournal, host::Completed{0, "\n", ""});
  runner.script("/usr/bin/dmesg",
                host::Completed{1, "", "Operation not permitted"});
  const LogFacts logs = read_logs(running_host(), runner);
  EXPECT_EQ(logs.kernel_source, "");
  EXPECT_THAT(logs.gaps, ElementsAre(HasSubstr("not permitted")));
}

}  // namespace
}  // namespace gpunode::facts
