// What `gpunode apply` and `resume` do with what they should not: nothing, with
// words and an exit code.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "node/provision/journal.h"
#include "node/provision/pending.h"
#include "node/provision/resumption.h"
#include "node/provision/run_lock.h"
#include "node/provision/seen_content.h"
#include "tests/integration/node_root.h"

namespace gpunode::integration {
namespace {

using host::Completed;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kModules = "/etc/modules-load.d/gpunode.conf";
constexpr const char* kSysctls = "/etc/sysctl.d/99-gpunode.conf";
constexpr const char* kContainerd = "/etc/containerd/config.toml";
constexpr const char* kSpec = "/etc/gpunode/node.yaml";

/// A dpkg-query of a host with one package of those that a node needs.
constexpr const char* kSocatAlone =
    "printf 'socat\\tall\\t1\\tinstall\\tok\\tinstalled\\t1\\n'\n";
/// A line of a program's script: how often it was run can be counted then.
constexpr const char* kCounted = "echo run >> /opt/runs\n";

std::string last_line(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

class NodeApply : public testing::Test {
 protected:
  void SetUp() override {
    const std::string obstacle = NodeRoot::obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
  }

  std::string text(const std::string& path) const {
    const auto read = root_.tree().root().read_file(path);
    return read ? *read : "(absent)";
  }

  /// Exit code, words, and that nothing is different after it.
  void expect_nothing(const std::vector<std::string>& words, int code,
                      const testing::Matcher<std::string>& said,
                      const std::string& before = "") {
    const auto was = root_.digest();
    const Completed done = root_.run(words, before);
    EXPECT_EQ(done.status, code) << done.out << done.err;
    EXPECT_THAT(done.out + done.err, said);
    EXPECT_EQ(root_.digest(), was);
  }

  /// A run that was cut off after its plan was made.
  void leave_pending(const std::string& spec_seen) {
    const Completed planned = root_.run({"plan", "-o", "/opt/the.plan"});
    EXPECT_EQ(planned.status, 2) << planned.out << planned.err;
    provision::Pending pending;
    pending.run = "r1";
    pending.spec_path = kSpec;
    pending.spec_files = {{kSpec, spec_seen}};
    pending.plan = text("/opt/the.plan");
    ASSERT_TRUE(provision::write_pending(root_.tree().root(), pending));
  }

  /// The journal's last line says how the last run ended.
  void expect_ended(const std::string& run, const std::string& outcome) const {
    const auto journal = provision::Journal::read(root_.tree().root());
    ASSERT_TRUE(journal) << journal.error().message();
    ASSERT_FALSE(journal->lines.empty());
    const provision::JournalLine& last = journal->lines.back();
    EXPECT_EQ(last.event, provision::JournalEvent::kEnd);
    EXPECT_THAT(last.note, testing::StartsWith(outcome));
    EXPECT_THAT(last.run, HasSubstr(run));
    const Completed status = root_.run({"status"});
    EXPECT_THAT(status.out, testing::Not(HasSubstr("not ended")));
    EXPECT_THAT(status.out, HasSubstr("Z: " + outcome));
  }

  /// systemd, which has every unit there is, none of them active; `first` are
  /// lines of a shell before systemctl's answer.
  void run_systemd(const std::string& first = "") {
    root_.tree().directory("run/systemd/system");
    root_.tree().file("proc/1/comm", "systemd\n");
    root_.program("usr/bin/systemctl", first + R"(
[ "$1" != daemon-reload ] || exit 0
while [ "$1" != -- ]; do shift; done
shift
for unit in "$@"; do
  echo Id=$unit
  echo LoadState=loaded
  echo ActiveState=inactive
  echo UnitFileState=disabled
  echo
done
)");
  }

  /// For run_systemd(): gpunode gets the signal once prep.sysctl is done.
  static std::string signal_amid_the_run(const std::string& signal) {
    return "[ ! -e /etc/sysctl.d/99-gpunode.conf ] || kill -" + signal +
           " $PPID\n";
  }

  NodeRoot root_;
};

TEST_F(NodeApply, MakesTheHostAsTheFileSaysAndThenNothing) {
  const Completed done = root_.run({"apply", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(text(kModules), HasSubstr("br_netfilter"));
  EXPECT_EQ(text("/proc/sys/net/ipv4/ip_forward"), "1\n");
  EXPECT_EQ(text(provision::kPendingPath), "(absent)");
  expect_nothing({"apply", "--yes"}, 0, HasSubstr("0 to change"));
}

// What a Step does can undo or outdate what another had found to be so.
TEST_F(NodeApply, WorkThatTheRunItselfMadeIsToldAndNotDoneUnseen) {
  root_.program("usr/bin/dpkg-query",
                R"([ ! -e /etc/sysctl.d/99-gpunode.conf ] || exit 0
for name in conntrack ethtool iproute2 socat xfsprogs; do
  printf '%s\tall\t1\tinstall\tok\tinstalled\t1\n' $name
done
)");
  const Completed done = root_.run({"apply", "--yes"});
  EXPECT_EQ(done.status, 2) << done.out << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("there is more to do"),
                              HasSubstr("\n  prep.packages: "),
                              HasSubstr("Run `gpunode apply` again")));
  EXPECT_THAT(text(kModules), HasSubstr("br_netfilter"));
  EXPECT_EQ(text(provision::kPendingPath), "(absent)");
  expect_ended("", "more-to-do prep.packages");
}

// By that, later ones know that it saw only so much through.
TEST_F(NodeApply, TheJournalSaysWhichRunsWereOfSingleSteps) {
  EXPECT_EQ(root_.run({"apply", "--yes", "--only=prep.sysctl"}).status, 0);
  EXPECT_EQ(root_.run({"apply", "--yes"}).status, 0);
  const auto journal = provision::Journal::read(root_.tree().root());
  ASSERT_TRUE(journal) << journal.error().message();
  std::vector<std::string> commands;
  for (const provision::JournalLine& line : journal->lines) {
    if (line.event == provision::JournalEvent::kRun) {
      commands.push_back(line.note);
    }
  }
  EXPECT_THAT(commands, testing::ElementsAre(provision::kOnlyCommand, "apply"));
}

// apt reads keys as a user of its own, and a hardened root has a umask of 077.
TEST_F(NodeApply, WhatIsMadeOnTheWayToAFileIsOpenToAll) {
  const Completed done = root_.run({"apply", "--yes"}, "umask 077");
  ASSERT_EQ(done.status, 0) << done.out << done.err;
  namespace fs = std::filesystem;
  const auto mode = [&](const char* path) {
    return fs::status(root_.tree().path(path)).permissions();
  };
  EXPECT_EQ(mode("etc/modules-load.d"), fs::perms{0755});
  EXPECT_EQ(mode("var/lib/gpunode"), fs::perms::owner_all);
  EXPECT_EQ(mode("var/lib/gpunode/backup"), fs::perms::owner_all);
}

TEST_F(NodeApply, ARunEndsWithWhatTheFileAsksOfTheNode) {
  root_.spec(
      "spec: {host: {swap: keep, timeSync: keep}, check: {interval: off}, "
      "verify: {level: 1}}\n");
  Completed done = root_.run({"apply", "--yes"});
  // There is no GPU.
  EXPECT_EQ(done.status, 7) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("L0  PCI"));
  EXPECT_THAT(done.out, HasSubstr("L1  module"));
  EXPECT_THAT(text(kSysctls), HasSubstr("net.ipv4.ip_forward"));
  expect_ended("-", "done");
  // Nothing is made, and so nothing is asked.
  done = root_.run({"apply", "--yes"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(done.out, testing::Not(HasSubstr("L0  PCI")));
}

TEST_F(NodeApply, WhatNoRunHasDoneIsNotUndone) {
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  expect_nothing({"rollback", "--yes", "--step", "prep.swp"}, 1,
                 HasSubstr("--step=prep.swp: no run has begun this Step"));
  expect_nothing({"rollback", "--yes", "--to", "4711"}, 1,
                 HasSubstr("--to=4711: the journal ends with "));
}

TEST_F(NodeApply, AnotherRootIsRefused) {
  expect_nothing({"apply", "--yes", "--root", "/usr"}, 1,
                 HasSubstr("gpunode plan --root"));
}

TEST_F(NodeApply, ASecondGpunodeWaitsForNobody) {
  const auto held =
      provision::RunLock::take(root_.tree().root(), "gpunode apply");
  ASSERT_TRUE(held) << held.error().message();
  expect_nothing({"apply", "--yes"}, 6, HasSubstr("gpunode apply"));
  expect_nothing({"rollback", "--yes"}, 6, HasSubstr("gpunode apply"));
  expect_nothing({"apply", "--yes", "--run-wait=1"}, 6,
                 AllOf(HasSubstr("waiting for pid"), HasSubstr("up to 1 s")));
}

TEST_F(NodeApply, NobodyIsAskedWhereNobodyIs) {
  expect_nothing({"apply"}, 5, HasSubstr("add --yes"));
}

TEST_F(NodeApply, AJournalOfANewerVersionIsNotGuessedAt) {
  root_.tree().file("var/lib/gpunode/journal.jsonl",
                    "{\"v\":2,\"seq\":1,\"event\":\"run\"}\n");
  for (const char* verb : {"apply", "rollback"}) {
    expect_nothing({verb, "--yes"}, 1, HasSubstr("newer"));
  }
}

TEST_F(NodeApply, AJournalDamagedInTheMiddleIsToldWithItsLine) {
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  std::string journal = text(provision::kJournalPath);
  const std::size_t second = journal.find('\n') + 1;
  journal.erase(second, 20);
  root_.tree().file("var/lib/gpunode/journal.jsonl", journal);
  root_.tree().file("proc/sys/net/ipv4/ip_forward", "0\n");
  expect_nothing({"apply", "--yes"}, 1, HasSubstr("2"));
  EXPECT_EQ(text(provision::kJournalPath), journal);
}

TEST_F(NodeApply, AJournalCutOffAtItsEndIsGoneOnWith) {
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  std::string journal = text(provision::kJournalPath);
  root_.tree().file("var/lib/gpunode/journal.jsonl",
                    journal.substr(0, journal.size() - 15));
  root_.tree().file("proc/sys/net/ipv4/ip_forward", "0\n");
  EXPECT_EQ(root_.run({"apply", "--yes", "--overwrite-drift"}).status, 0);
  EXPECT_EQ(text("/proc/sys/net/ipv4/ip_forward"), "1\n");
}

TEST_F(NodeApply, APlanThatIsNoLongerSoIsNotDone) {
  ASSERT_EQ(root_.run({"plan", "-o", "/opt/the.plan"}).status, 2);
  root_.tree().file("etc/sysctl.d/99-gpunode.conf", "by hand\n");
  expect_nothing({"apply", "--plan", "/opt/the.plan", "--overwrite-drift"}, 3,
                 AllOf(HasSubstr("prep.sysctl"), HasSubstr("new plan")));
}

TEST_F(NodeApply, WhatIsNoPlanIsNotDone) {
  root_.tree().file("opt/the.plan", "{\"gpunode_plan\": 7, \"steps\": []}");
  expect_nothing({"apply", "--plan", "/opt/the.plan"}, 1,
                 HasSubstr("version 7"));
  root_.tree().file("opt/the.plan", "\x1b[2J");
  expect_nothing({"apply", "--plan", "/opt/the.plan"}, 1,
                 HasSubstr("no plan file"));
  expect_nothing({"apply", "--plan", "/opt/none.plan"}, 1,
                 HasSubstr("/opt/none.plan"));
}

TEST_F(NodeApply, AValueOfTheRunningKernelThatWasChangedIsAPersonsToJudge) {
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  root_.tree().file("proc/sys/net/ipv4/ip_forward", "0\n");
  expect_nothing(
      {"apply", "--yes"}, 5,
      AllOf(HasSubstr("net.ipv4.ip_forward was changed since gpunode set it"),
            HasSubstr("--overwrite-drift")));
  EXPECT_THAT(root_.run({"check", "--no-condition"}).out,
              HasSubstr("prep.sysctl"));
  EXPECT_EQ(root_.run({"apply", "--yes", "--overwrite-drift"}).status, 0);
  EXPECT_EQ(text("/proc/sys/net/ipv4/ip_forward"), "1\n");
}

TEST_F(NodeApply, DriftIsAPersonsToJudge) {
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  root_.tree().file("etc/sysctl.d/99-gpunode.conf", "by hand\n");
  expect_nothing({"apply", "--yes"}, 5,
                 AllOf(HasSubstr("by hand"), HasSubstr("--overwrite-drift")));
}

TEST_F(NodeApply, WhoFollowsByJsonIsToldOfRefusalsInJson) {
  const auto last = [&](const std::vector<std::string>& words, int code) {
    const Completed done = root_.run(words);
    EXPECT_EQ(done.status, code) << done.out << done.err;
    return json::parse(last_line(done.out));
  };
  json told = last({"apply", "--json"}, 5);
  EXPECT_EQ(told["event"], "error");
  EXPECT_EQ(told["exit_code"], 5);
  EXPECT_THAT(told["message"].get<std::string>(), HasSubstr("add --yes"));
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  told = last({"rollback", "--json", "--dry-run"}, 0);
  EXPECT_EQ(told["event"], "to-undo");
  EXPECT_EQ(told["how"], "exact");
  EXPECT_EQ(told["left"], false);
  EXPECT_EQ(last({"rollback", "--json"}, 5)["event"], "error");
  told = last({"rollback", "--json", "--step", "prep.swp"}, 1);
  EXPECT_THAT(told["message"].get<std::string>(), HasSubstr("prep.swp"));
  root_.tree().file("etc/sysctl.d/99-gpunode.conf", "by hand\n");
  told = last({"apply", "--json", "--yes"}, 5);
  EXPECT_EQ(told["event"], "refused");
  EXPECT_EQ(told["exit_code"], 5);
  EXPECT_EQ(told["steps"][0]["step"], "prep.sysctl");
  EXPECT_EQ(told["steps"][0]["state"], "drift");
  EXPECT_THAT(told["steps"][0]["next"].get<std::string>(),
              HasSubstr("--overwrite-drift"));
}

// Latin-1 in /etc/os-release, which is in every plan.
TEST_F(NodeApply, AHostWhoseNameIsNoUtf8IsMadeAsTheFileSays) {
  root_.tree().file("etc/os-release",
                    "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"D\xe9\"\n");
  ASSERT_EQ(root_.run({"plan", "-o", "/opt/the.plan"}).status, 2);
  const Completed done = root_.run({"apply", "--plan", "/opt/the.plan"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  expect_ended("", "done");
}

TEST_F(NodeApply, AResumedRunDoesWhatRemainsOfItsPlan) {
  leave_pending(provision::seen_content(text(kSpec)));
  const Completed done = root_.run({"resume"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_THAT(text(kSysctls), HasSubstr("ip_forward"));
  EXPECT_EQ(text(provision::kPendingPath), "(absent)");
  EXPECT_THAT(text(provision::kJournalPath), HasSubstr("\"r1\""));
}

// Killed between its last action and its end: nothing is left to do but to say
// so.
TEST_F(NodeApply, ARunWithNothingLeftToDoIsEnded) {
  for (const char* verb : {"apply", "resume"}) {
    ASSERT_EQ(root_.run({"rollback", "--yes"}).status, 0);
    ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
    std::string journal = text(provision::kJournalPath);
    journal.erase(journal.rfind('\n', journal.size() - 2) + 1);
    root_.tree().file("var/lib/gpunode/journal.jsonl", journal);
    const auto killed = provision::Journal::read(root_.tree().root());
    ASSERT_TRUE(killed);
    const std::string run = killed->lines.back().run;
    ASSERT_EQ(root_.run({"plan", "-o", "/opt/the.plan"}).status, 0);
    provision::Pending pending;
    pending.run = run;
    pending.spec_path = kSpec;
    pending.spec_files = {{kSpec, provision::seen_content(text(kSpec))}};
    pending.plan = text("/opt/the.plan");
    ASSERT_TRUE(provision::write_pending(root_.tree().root(), pending));
    std::vector<std::string> words = {verb};
    if (words[0] == "apply") words.emplace_back("--yes");
    expect_nothing(words, 0, HasSubstr("0 to change"));
    EXPECT_EQ(text(provision::kPendingPath), "(absent)");
    expect_ended(run, "done");
  }
}

TEST_F(NodeApply, ARollbackIsARunThatEnds) {
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  root_.tree().file("etc/sysctl.d/99-gpunode.conf", "by hand\n");
  const Completed failed = root_.run({"rollback", "--yes"});
  EXPECT_EQ(failed.status, 1) << failed.out << failed.err;
  expect_ended("", "failed undo ");
  ASSERT_EQ(root_.run({"rollback", "--yes", "--overwrite-drift"}).status, 0);
  expect_ended("", "done");
}

TEST_F(NodeApply, ARollbackFetchesByTheProxyOfTheFile) {
  root_.program("usr/bin/apt-mark",
                "echo \"$http_proxy\" > /opt/proxy\necho socat\n");
  const auto rolled_back = [&](const std::string& spec) {
    {
      auto journal = provision::Journal::open(root_.tree().root(), "b");
      EXPECT_TRUE(journal);
      EXPECT_TRUE(journal->start("r", "apply"));
      provision::JournalLine line{.event = provision::JournalEvent::kBegin,
                                  .step = "driver.hold"};
      line.action = provision::HoldPackages{{"socat"}};
      line.inverse = {provision::HoldPackages{{"socat"}, false}};
      EXPECT_TRUE(journal->append(line));
    }
    root_.spec(spec);
    if (spec.empty()) {
      std::filesystem::remove(root_.tree().path("etc/gpunode/node.yaml"));
    }
    const Completed done = root_.run({"rollback", "--yes"});
    EXPECT_EQ(done.status, 0) << done.out << done.err;
    return done.err;
  };
  EXPECT_EQ(rolled_back("spec: {proxy: {http: \"http://proxy:3128\"}}\n"), "");
  EXPECT_EQ(text("/opt/proxy"), "http://proxy:3128\n");
  // A broken file is told, and is in nobody's way.
  EXPECT_THAT(rolled_back("spec: {prox: 1}\n"), HasSubstr("gpunode validate"));
  EXPECT_EQ(text("/opt/proxy"), "\n");
  EXPECT_EQ(rolled_back(""), "") << "one that is gone is no fault";
}

// Killed between its last undo and its end.
TEST_F(NodeApply, ARollbackWithNothingLeftToUndoIsEnded) {
  run_systemd(
      "if [ \"$1\" = daemon-reload ]; then echo told >> /opt/systemd; exit 0; "
      "fi\n");
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 0);
  ASSERT_EQ(root_.run({"rollback", "--yes"}).status, 0);
  std::string journal = text(provision::kJournalPath);
  journal.erase(journal.rfind('\n', journal.size() - 2) + 1);
  root_.tree().file("var/lib/gpunode/journal.jsonl", journal);
  root_.tree().file("opt/systemd", "");
  expect_nothing({"rollback", "--dry-run"}, 0, HasSubstr("0 to undo"));
  expect_nothing({"rollback"}, 5, HasSubstr("add --yes to end it"));
  EXPECT_EQ(text(provision::kJournalPath), journal);
  const auto killed = provision::Journal::read(root_.tree().root());
  ASSERT_TRUE(killed);
  expect_nothing({"rollback", "--yes"}, 0, HasSubstr("0 to undo"));
  expect_ended(killed->lines.back().run, "done");
  // It may not have come to tell systemd of the files that went.
  EXPECT_EQ(text("/opt/systemd"), "told\n");
  const std::string ended = text(provision::kJournalPath);
  expect_nothing({"rollback", "--yes"}, 0, HasSubstr("0 to undo"));
  EXPECT_EQ(text(provision::kJournalPath), ended);
}

TEST_F(NodeApply, AResumedRunStopsWhereTheFileWasEdited) {
  leave_pending(provision::seen_content("what it said then"));
  expect_nothing({"resume"}, 5,
                 AllOf(HasSubstr("node.yaml was edited"),
                       HasSubstr("`gpunode apply` starts anew")));
  // It does.
  EXPECT_EQ(root_.run({"apply", "--yes"}).status, 0);
  EXPECT_EQ(text(provision::kPendingPath), "(absent)");
}

TEST_F(NodeApply, AResumedRunStopsWhereTheHostAsksForSomethingElse) {
  leave_pending(provision::seen_content(text(kSpec)));
  root_.tree().file("etc/sysctl.d/99-gpunode.conf", "by hand\n");
  expect_nothing({"resume"}, 3,
                 AllOf(HasSubstr("prep.sysctl"), HasSubstr("gpunode plan")));
}

// systemd does not answer once the first Step is done: containerd must not pass
// for one that is not installed.
TEST_F(NodeApply, WhatCannotBeLookedAtAnyMoreIsNoLessToDo) {
  run_systemd("[ ! -e /etc/sysctl.d/99-gpunode.conf ] || exit 1\n");
  const Completed done = root_.run({"apply", "--yes"});
  EXPECT_EQ(done.status, 1) << done.out << done.err;
  EXPECT_THAT(done.out + done.err,
              AllOf(HasSubstr("prep.cgroup"), HasSubstr("ask systemd")));
  EXPECT_EQ(text(kContainerd), "(absent)");
  run_systemd();
  EXPECT_EQ(root_.run({"apply", "--yes"}).status, 0);
  EXPECT_THAT(text(kContainerd), HasSubstr("SystemdCgroup"));
}

TEST_F(NodeApply, AShutdownAmidARunLeavesItToTheNextBoot) {
  run_systemd(signal_amid_the_run("TERM"));
  const Completed done = root_.run({"apply", "--yes"});
  EXPECT_EQ(done.status, 130) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("`gpunode resume` goes on from here"));
  EXPECT_EQ(text(kContainerd), "(absent)");
  EXPECT_NE(text(provision::kPendingPath), "(absent)");
  EXPECT_THAT(text(provision::kJournalPath), Not(HasSubstr("\"end\"")));
  run_systemd();
  const Completed resumed = root_.run({"resume"});
  EXPECT_EQ(resumed.status, 0) << resumed.out << resumed.err;
  EXPECT_THAT(text(kContainerd), HasSubstr("SystemdCgroup"));
  EXPECT_EQ(text(provision::kPendingPath), "(absent)");
}

// It takes the run's tools down as well, which looks like a failure.
TEST_F(NodeApply, WhatFailsWhileTheHostShutsDownIsNoEndEither) {
  run_systemd(
      "if [ -e /etc/sysctl.d/99-gpunode.conf ]; then kill -TERM $PPID; "
      "exit 1; fi\n");
  const Completed done = root_.run({"apply", "--yes"});
  EXPECT_EQ(done.status, 1) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("`gpunode resume` goes on from here"));
  EXPECT_NE(text(provision::kPendingPath), "(absent)");
  run_systemd();
  EXPECT_EQ(root_.run({"resume"}).status, 0);
  EXPECT_THAT(text(kContainerd), HasSubstr("SystemdCgroup"));
}

TEST_F(NodeApply, APersonWhoStopsARunHasEndedIt) {
  run_systemd(signal_amid_the_run("INT"));
  const Completed done = root_.run({"apply", "--yes"});
  EXPECT_EQ(done.status, 130) << done.out << done.err;
  EXPECT_THAT(done.out, HasSubstr("`gpunode apply` goes on from here"));
  EXPECT_EQ(text(provision::kPendingPath), "(absent)");
  EXPECT_THAT(text(provision::kJournalPath), HasSubstr("\"end\""));
  expect_nothing({"resume"}, 0, HasSubstr("No run waits"));
}

// Nor where the undoing is cut off: the next boot must not do again what
// somebody began to undo.
TEST_F(NodeApply, WhatIsBeingUndoneIsNotGoneOnWith) {
  run_systemd(signal_amid_the_run("TERM"));
  ASSERT_EQ(root_.run({"apply", "--yes"}).status, 130);
  ASSERT_NE(text(provision::kPendingPath), "(absent)");
  // Somebody's by now: undoing fails there.
  root_.tree().file("etc/sysctl.d/99-gpunode.conf", "by hand\n");
  const Completed undone = root_.run({"rollback", "--yes"});
  EXPECT_EQ(undone.status, 1) << undone.out << undone.err;
  EXPECT_EQ(text(provision::kPendingPath), "(absent)");
  EXPECT_THAT(root_.run({"resume"}).out, HasSubstr("No run waits"));
}

TEST_F(NodeApply, AFullDiskForTheJournalChangesNothing) {
  root_.tree().directory("var/lib/gpunode");
  expect_nothing({"apply", "--yes"}, 1, HasSubstr("no space left"),
                 "mount -t tmpfs -o size=4k,nr_inodes=2 none "
                 "\"$T/var/lib/gpunode\"\n");
}

TEST_F(NodeApply,
       APackageThatWouldTakeTheKubeletIsRefusedBeforeAnythingBegins) {
  root_.program("usr/bin/dpkg-query", kSocatAlone);
  root_.program("usr/bin/apt-cache", "exit 0\n");
  root_.program("usr/bin/apt-get",
                "echo 'Remv kubelet [1.30.1-1]'\n"
                "echo 'Inst conntrack (1.4.7-1 Debian:12 [amd64])'\n"
                "echo 'Conf conntrack (1.4.7-1 Debian:12 [amd64])'\n");
  expect_nothing({"apply", "--yes"}, 3,
                 AllOf(HasSubstr("x install conntrack"),
                       HasSubstr("what this machine needs: kubelet 1.30.1-1"),
                       HasSubstr("Nothing is changed until")));
  const Completed plan = root_.run({"plan", "--json"});
  EXPECT_EQ(plan.status, 3) << plan.out << plan.err;
  EXPECT_THAT(plan.out, HasSubstr("\"refused\":\"change packages: refused"));
}

TEST_F(NodeApply, ThePackageDatabaseIsAskedOnceForAPlan) {
  root_.program("usr/bin/dpkg-query", std::string(kCounted) + kSocatAlone);
  root_.program("usr/bin/apt-cache", "exit 0\n");
  root_.program("usr/bin/apt-get",
                "echo 'Remv kubelet [1.30.1-1]'\n"
                "echo 'Inst conntrack (1.4.7-1 Debian:12 [amd64])'\n");
  for (const char* verb : {"plan", "apply"}) {
    root_.tree().file("opt/runs", "");
    expect_nothing({verb}, 3, HasSubstr("kubelet 1.30.1-1"));
    EXPECT_EQ(text("/opt/runs"), "run\n") << verb;
  }
}

TEST_F(NodeApply, RpmIsAskedOnceForAPlanToo) {
  root_.tree().file("etc/os-release",
                    "ID=rocky\nID_LIKE=\"rhel fedora\"\nVERSION_ID=9.4\n");
  root_.program("usr/bin/rpm", std::string(kCounted) +
                                   "printf 'socat\\t1-1\\tx86_64\\t1\\t1\\n"
                                   "kubelet\\t1.30-1\\tx86_64\\t1\\t1\\n'\n");
  root_.program("usr/bin/dnf",
                "echo ' Package Architecture Version Repository Size'\n"
                "echo Installing:\n"
                "echo ' conntrack-tools x86_64 1.4-1 base 1 k'\n"
                "echo ' ethtool x86_64 6-1 base 1 k'\n"
                "echo ' iproute-tc x86_64 6-1 base 1 k'\n"
                "echo 'Removing dependent packages:'\n"
                "echo ' kubelet x86_64 1.30-1 @kubernetes 1 k'\n"
                "echo 'Transaction Summary'\n"
                "echo 'Operation aborted.'\n");
  for (const char* verb : {"plan", "apply"}) {
    root_.tree().file("opt/runs", "");
    expect_nothing({verb}, 3, HasSubstr("kubelet 1.30-1"));
    EXPECT_EQ(text("/opt/runs"), "run\n") << verb;
  }
}

TEST_F(NodeApply, AFullVarIsToldBeforeAnythingBegins) {
  expect_nothing({"apply", "--yes"}, 5,
                 AllOf(HasSubstr("/var has"), HasSubstr("`du -xhd1 /var"),
                       HasSubstr("--ignore-preflight=space-var")),
                 "mount -t tmpfs -o size=1m none \"$T/var\"\n");
}

TEST_F(NodeApply, AReadOnlyRootIsToldBeforeAnythingBegins) {
  expect_nothing(
      {"apply", "--yes"}, 5,
      AllOf(HasSubstr("/ is mounted read-only"), HasSubstr("dmesg")),
      "mount --bind \"$T\" \"$T\"; mount -t proc proc \"$T/realproc\"; mount "
      "-o remount,bind,ro \"$T\"; mount -t tmpfs none \"$T/run\"\n");
}

TEST_F(NodeApply, AClockOutOfItsMindIsToldAndCanBeIgnored) {
  root_.program("usr/bin/dpkg-query", kSocatAlone);
  root_.tree().file("proc/stat", "cpu 1\nbtime 0\n");
  root_.tree().file("proc/uptime", "100.00 1.00\n");
  expect_nothing({"apply", "--yes"}, 5, HasSubstr("the year 1970"));
  const Completed ignored = root_.run({"plan", "--ignore-preflight=clock"});
  EXPECT_EQ(ignored.status, 2) << ignored.out << ignored.err;
  // Only signatures of packages are judged by it.
  const Completed done = root_.run({"apply", "--yes", "--only=prep.sysctl"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  expect_nothing({"apply", "--ignore-preflight=clok"}, 64,
                 HasSubstr("no such check"));
}

// What the boot unit runs, and what only looks like it.
TEST_F(NodeApply, AMissingGpuHoldsUpEverythingButTheDisksOfABoot) {
  root_.tree().directory("sys/block");
  root_.spec(
      "spec:\n  gpu: {count: 8}\n  storage:\n"
      "    - {id: d, select: {serials: [GONE]}, mount: {path: /data}}\n");
  expect_nothing({"apply", "--yes", "--blank-only", "--only=storage.d.disk"}, 3,
                 AllOf(HasSubstr("0 disks fit"), Not(HasSubstr("spec.gpu"))));
  const auto missing = HasSubstr("spec.gpu.count is 8");
  expect_nothing({"apply", "--yes", "--only=storage.d.disk"}, 3, missing);
  expect_nothing({"apply", "--yes", "--blank-only"}, 3, missing);
  expect_nothing({"apply", "--yes", "--blank-only", "--only=prep.sysctl"}, 5,
                 missing);
  expect_nothing({"apply", "--yes", "--blank-only", "--only=storage.d.disk",
                  "--only=prep.sysctl"},
                 3, missing);
}

TEST_F(NodeApply, APackageManagerInUseOrHalfWayIsToldWithWhoAndWhatNext) {
  root_.program("usr/bin/dpkg-query", kSocatAlone);
  root_.tree().file("var/lib/dpkg/status",
                    "Package: libfoo\nStatus: install ok half-configured\n"
                    "Version: 1.0\nArchitecture: amd64\n");
  root_.tree().file("var/lib/dpkg/lock-frontend", "");
  struct stat lock {};
  ASSERT_EQ(
      ::stat(root_.tree().path("var/lib/dpkg/lock-frontend").c_str(), &lock),
      0);
  std::array<char, 100> line{};
  std::snprintf(line.data(), line.size(),
                "1: POSIX  ADVISORY  WRITE 77 %02x:%02x:%lu 0 EOF\n",
                major(lock.st_dev), minor(lock.st_dev), lock.st_ino);
  root_.tree().file("proc/locks", line.data());
  root_.tree().file("proc/77/cmdline", std::string("apt-get\0upgrade\0", 16));
  expect_nothing({"apply", "--yes", "--lock-wait=0"}, 5,
                 AllOf(HasSubstr("apt-get upgrade (pid 77)"),
                       HasSubstr("libfoo 1.0 is unpacked but not configured"),
                       HasSubstr("`dpkg --configure -a`"),
                       HasSubstr("--ignore-preflight=package-lock")));
  // A run waits first, for as long as it is told to; a plan does not.
  expect_nothing({"apply", "--yes", "--lock-wait=1"}, 5,
                 HasSubstr("waiting for apt-get upgrade (pid 77), up to 1 s"));
  EXPECT_THAT(root_.run({"plan"}).err, testing::Not(HasSubstr("waiting for")));
  // What needs no packages is not held up.
  EXPECT_EQ(root_.run({"apply", "--yes", "--only=prep.sysctl"}).status, 0);
}

}  // namespace
}  // namespace gpunode::integration
