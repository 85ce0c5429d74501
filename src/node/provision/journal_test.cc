#include "node/provision/journal.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "node/provision/action_json.h"

namespace gpunode::provision {
namespace {

using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

JournalLine begin_of(const Action& action, const std::string& step = "s") {
  JournalLine line{.event = JournalEvent::kBegin, .step = step};
  line.action = action;
  return line;
}

std::string text_of(const HostTree& tree) {
  const auto text = tree.root().read_file(kJournalPath);
  return text ? *text : "";
}

TEST(Journal, WhatIsAppendedIsReadBack) {
  const HostTree tree;
  {
    auto journal = Journal::open(tree.root(), "boot-1");
    ASSERT_TRUE(journal) << journal.error().message();
    ASSERT_TRUE(journal->start("run-1", "gpunode apply"));
    JournalLine begin = begin_of(WriteFile{"/etc/x", "new\n"}, "prep.x");
    begin.inverse = {RestoreFile{"/etc/x", "", "new\n"}};
    begin.undo = Undo::kCompensating;
    const auto seq = journal->append(std::move(begin));
    ASSERT_TRUE(seq);
    EXPECT_EQ(*seq, 2U);
    ASSERT_TRUE(journal->append(
        {.event = JournalEvent::kFailed, .of = 2, .note = "\xff no room"}));
  }
  const auto read = Journal::read(tree.root());
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_THAT(read->lines, SizeIs(3));
  const JournalLine& begin = read->lines[1];
  EXPECT_EQ(begin.seq, 2U);
  EXPECT_EQ(begin.boot_id, "boot-1");
  EXPECT_EQ(begin.run, "run-1");
  EXPECT_EQ(begin.step, "prep.x");
  EXPECT_EQ(begin.undo, Undo::kCompensating);
  ASSERT_THAT(begin.inverse, SizeIs(1));
  EXPECT_TRUE(
      same_action(begin.inverse.front(), RestoreFile{"/etc/x", "", "new\n"}));
  EXPECT_EQ(read->lines[2].of, 2U);
  EXPECT_THAT(read->lines[2].note, HasSubstr("no room"));
}

TEST(Journal, AnAbsentOneIsEmpty) {
  const HostTree tree;
  const auto read = Journal::read(tree.root());
  ASSERT_TRUE(read);
  EXPECT_THAT(read->lines, SizeIs(0));
}

// A power cut may keep any part of the last line, or blocks of zeros.
TEST(Journal, CutOffAnywhereInItsLastLineItGoesOnAfterTheOneBefore) {
  const HostTree tree;
  {
    auto journal = Journal::open(tree.root(), "b");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->start("r", "apply"));
    ASSERT_TRUE(journal->append(begin_of(RemoveFile{"/etc/x"})));
  }
  const std::string whole = text_of(tree);
  const std::size_t last = whole.find('\n') + 1;
  for (std::size_t size = last; size < whole.size(); ++size) {
    for (const char* tail : {"", "zeros"}) {
      std::string cut = whole.substr(0, size);
      if (*tail != '\0') cut += std::string(20, '\0');
      tree.file(std::string(kJournalPath).substr(1), cut);
      auto journal = Journal::open(tree.root(), "b");
      ASSERT_TRUE(journal) << size << journal.error().message();
      ASSERT_THAT(journal->lines(), SizeIs(1)) << size;
      ASSERT_TRUE(journal->start("r2", "apply"));
      const auto read = Journal::read(tree.root());
      ASSERT_TRUE(read) << size << read.error().message();
      EXPECT_THAT(read->lines, SizeIs(2)) << size;
    }
  }
}

// Whole, but of a gpunode that knows more: the inverse in it is not thrown
// away.
TEST(Journal, ALastLineOfANewerGpunodeIsKept) {
  const HostTree tree;
  {
    auto journal = Journal::open(tree.root(), "b");
    ASSERT_TRUE(journal);
    ASSERT_TRUE(journal->append(begin_of(RemoveFile{"/etc/x"})));
  }
  const std::string whole = text_of(tree);
  const std::vector<std::pair<std::string, std::string>> news = {
      {"remove-file", "fold-file"},
      {R"("path")", R"("colour":"red","path")"},
      {R"("event":"begin")", R"("event":"dream")"}};
  for (const auto& [old, now] : news) {
    std::string text = whole;
    ASSERT_NE(text.find(old), std::string::npos) << old;
    text.replace(text.find(old), old.size(), now);
    tree.file(std::string(kJournalPath).substr(1), text);
    const auto journal = Journal::open(tree.root(), "b");
    ASSERT_FALSE(journal) << now;
    EXPECT_EQ(journal.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(journal.error().message(), HasSubstr("or a newer one"));
    EXPECT_EQ(text_of(tree), text);
  }
}

TEST(Journal, WhatIsReplacedIsKeptWhereNobodyElseLooks) {
  const HostTree tree;
  const mode_t mask = ::umask(022);
  const auto journal = Journal::open(tree.root(), "b");
  ::umask(mask);
  ASSERT_TRUE(journal) << journal.error().message();
  for (const char* path : {"var/lib/gpunode", "var/lib/gpunode/backup"}) {
    EXPECT_EQ(std::filesystem::status(tree.path(path)).permissions(),
              std::filesystem::perms::owner_all)
        << path;
  }
}

TEST(Journal, DamageInTheMiddleIsRefusedWithItsLine) {
  const HostTree tree;
  auto journal = Journal::open(tree.root(), "b");
  ASSERT_TRUE(journal);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(journal->start("r", "apply"));
  std::string text = text_of(tree);
  text[text.find('\n') + 5] = '\x01';
  const auto read = parse_journal(text);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(read.error().message(), HasSubstr("line 2"));
}

TEST(Journal, ALineTakenOutIsNoticed) {
  const HostTree tree;
  auto journal = Journal::open(tree.root(), "b");
  ASSERT_TRUE(journal);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(journal->start("r", "apply"));
  std::string text = text_of(tree);
  text.erase(0, text.find('\n') + 1);
  const auto read = parse_journal(text);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("missing"));
}

TEST(Journal, ANewerVersionIsRefusedEvenAsTheLastLine) {
  const auto read = parse_journal(R"({"v":2,"seq":1,"event":"run"})"
                                  "\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(read.error().message(), HasSubstr("newer"));
}

TEST(Journal, AFullDiskLeavesNoHalfLine) {
  const HostTree tree;
  auto journal = Journal::open(tree.root(), "b");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->start("r", "apply"));
  const std::string before = text_of(tree);
  // A limit on the size of files stands in for a full disk.
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit low{before.size() + 30, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const auto failed = journal->start("r2", "apply");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_FALSE(failed);
  EXPECT_EQ(text_of(tree), before);
  ASSERT_TRUE(journal->start("r3", "apply"));
  const auto read = Journal::read(tree.root());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_THAT(read->lines, SizeIs(2));
}

TEST(JournalHistory, KnowsWhatWeWroteLastAndWhatWasUndone) {
  std::vector<JournalLine> lines;
  const auto add = [&](JournalLine line) {
    line.seq = lines.size() + 1;
    lines.push_back(std::move(line));
  };
  const auto add_done = [&](JournalLine line) {
    add(std::move(line));
    add({.event = JournalEvent::kDone, .of = lines.size()});
  };
  add_done(begin_of(WriteFile{"/etc/a", "1"}));
  add_done(begin_of(WriteFile{"/etc/a", "2"}));
  add_done(begin_of(WriteFile{"/etc/b", "3"}));
  add({.event = JournalEvent::kUndone, .of = 5});
  add_done(begin_of(RemoveFile{"/etc/c"}));
  const History history = history_of(lines);
  EXPECT_EQ(history.written.at("/etc/a"), "2");
  EXPECT_FALSE(history.written.contains("/etc/b"));
  EXPECT_EQ(history.written.at("/etc/c"), "");
  EXPECT_THAT(standing_actions(lines), SizeIs(3));
}

// What was cut off may be so or not: both are of our making, neither is
// somebody's change.
TEST(JournalHistory, AWriteBegunAndNotEndedIsBothHowItWasAndHowItMayBe) {
  std::vector<JournalLine> lines;
  const auto add = [&](JournalLine line) {
    line.seq = lines.size() + 1;
    lines.push_back(std::move(line));
  };
  add(begin_of(WriteFile{"/etc/a", "1"}));
  add({.event = JournalEvent::kDone, .of = 1});
  add(begin_of(WriteFile{"/etc/a", "2"}));
  History history = history_of(lines);
  EXPECT_EQ(history.written.at("/etc/a"), "1");
  EXPECT_EQ(history.half_written.at("/etc/a"), "2");
  add(begin_of(WriteFile{"/etc/a", "2"}));
  add({.event = JournalEvent::kDone, .of = 4});
  history = history_of(lines);
  EXPECT_EQ(history.written.at("/etc/a"), "2");
  EXPECT_TRUE(history.half_written.empty());
}

TEST(JournalHistory, AFileIsUnsettledUntilItsStepWasSeenThrough) {
  std::vector<JournalLine> lines;
  const auto add = [&](JournalLine line, const std::string& run = "r") {
    line.seq = lines.size() + 1;
    line.run = run;
    lines.push_back(std::move(line));
  };
  const auto unsettled = [&](std::string_view run = "") {
    return history_of(lines, run).unsettled;
  };
  add({.event = JournalEvent::kRun, .note = "apply"});
  add(begin_of(WriteFile{"/etc/a", "a"}, "a"));
  add({.event = JournalEvent::kDone, .step = "a", .of = 2});
  // Cut off here, the restart after it is owed; the run itself sees to it.
  EXPECT_EQ(unsettled().at("/etc/a"), "a");
  EXPECT_TRUE(unsettled("r").empty());
  // It went on to another Step.
  add(begin_of(RemoveFile{"/etc/b"}, "b"));
  EXPECT_EQ(unsettled(), (std::map<std::string, std::string>{{"/etc/b", "b"}}));
  const auto in_b = lines;
  for (const auto& [end, stays] : std::vector<std::pair<JournalLine, bool>>{
           {{.event = JournalEvent::kEnd, .note = "done "}, false},
           {{.event = JournalEvent::kEnd, .step = "c", .note = "more-to-do c"},
            false},
           {{.event = JournalEvent::kEnd, .step = "b", .note = "failed b"},
            true},
           // Stopped between the two.
           {{.event = JournalEvent::kEnd, .step = "c", .note = "interrupted"},
            false},
           // As gpunode wrote it before it named the Step.
           {{.event = JournalEvent::kEnd, .note = "failed b"}, true},
           {{.event = JournalEvent::kReboot, .step = "b"}, false}}) {
    lines = in_b;
    add(end);
    EXPECT_EQ(unsettled().contains("/etc/b"), stays) << end.note;
    // Steps of other runs change nothing of it, its own does.
    add({.event = JournalEvent::kRun, .note = "apply"}, "s");
    add(begin_of(WriteFile{"/etc/a", "2"}, "a"), "s");
    add({.event = JournalEvent::kEnd, .note = "done"}, "s");
    EXPECT_EQ(unsettled().contains("/etc/b"), stays) << end.note;
    EXPECT_FALSE(unsettled().contains("/etc/a"));
    EXPECT_EQ(unsettled("s").contains("/etc/b"), stays) << end.note;
    add({.event = JournalEvent::kRun, .note = "apply"}, "t");
    add(begin_of(SetUnit{.unit = "b.service"}, "b"), "t");
    add({.event = JournalEvent::kEnd, .note = "done"}, "t");
    EXPECT_TRUE(unsettled().empty()) << end.note;
  }
  lines = in_b;
  add({.event = JournalEvent::kUndone, .of = 4});
  EXPECT_TRUE(unsettled().empty());
}

TEST(JournalHistory, AUnitThatRanIsStoppedUntilARunStartedIt) {
  std::vector<JournalLine> lines;
  const auto add = [&](Wish active, Wish was, const std::string& step) {
    lines.push_back(
        begin_of(SetUnit{.unit = "c.service", .active = active}, step));
    lines.back().seq = lines.size();
    lines.back().inverse = {SetUnit{.unit = "c.service", .active = was}};
  };
  const auto end = [&](JournalEvent event, std::uint64_t of) {
    lines.push_back({.seq = lines.size() + 1, .event = event, .of = of});
  };
  add(Wish::kNo, Wish::kNo, "s.mount");
  EXPECT_TRUE(history_of(lines).stopped.empty());
  // Begun is enough: it may be stopped.
  add(Wish::kNo, Wish::kYes, "s.mount");
  EXPECT_EQ(history_of(lines).stopped.at("c.service"), "s.mount");
  // Stopped once more it is what was stopped before.
  add(Wish::kNo, Wish::kNo, "s.mount");
  end(JournalEvent::kDone, 3);
  EXPECT_TRUE(history_of(lines).stopped.contains("c.service"));
  add(Wish::kYes, Wish::kNo, "s.mount");
  EXPECT_TRUE(history_of(lines).stopped.contains("c.service"));
  end(JournalEvent::kFailed, 5);
  EXPECT_TRUE(history_of(lines).stopped.contains("c.service"));
  lines.back().event = JournalEvent::kDone;
  EXPECT_TRUE(history_of(lines).stopped.empty());
  lines.pop_back();
  end(JournalEvent::kUndone, 2);
  EXPECT_TRUE(history_of(lines).stopped.empty());
}

TEST(JournalHistory, HoldsAreOursWhereAnInverseLiftsThem) {
  const HostTree tree;
  auto journal = Journal::open(tree.root(), "b");
  ASSERT_TRUE(journal);
  ASSERT_TRUE(journal->start("r", "apply"));
  const auto begin = [&](HoldPackages hold, std::vector<std::string> changed) {
    JournalLine line = begin_of(hold, "driver.hold");
    if (!changed.empty()) {
      line.inverse = {HoldPackages{std::move(changed), !hold.held}};
    }
    return *journal->append(std::move(line));
  };
  const auto done = [&](std::uint64_t of) {
    ASSERT_TRUE(journal->append({.event = JournalEvent::kDone, .of = of}));
  };
  const auto held = [&] { return history_of(journal->lines()).held; };
  // kubelet was somebody else's before; what was begun may be held.
  const std::uint64_t first = begin({{"a", "kubelet", "b"}}, {"a", "b"});
  EXPECT_THAT(held(),
              ElementsAre(Pair("a", "driver.hold"), Pair("b", "driver.hold")));
  done(first);
  // Held anew in another version: still ours.
  done(begin({{"a"}}, {}));
  EXPECT_THAT(held(), SizeIs(2));
  // A release that was cut off may have lifted nothing.
  const std::uint64_t lift = begin({{"a", "b"}, false}, {"a", "b"});
  EXPECT_THAT(held(), SizeIs(2));
  done(lift);
  EXPECT_THAT(held(), IsEmpty());
  // Undone, they are held again; and the first undone as well, nothing is.
  ASSERT_TRUE(journal->append({.event = JournalEvent::kUndone, .of = lift}));
  EXPECT_THAT(held(), SizeIs(2));
  ASSERT_TRUE(journal->append({.event = JournalEvent::kUndone, .of = first}));
  EXPECT_THAT(held(), IsEmpty());
}

TEST(JournalHistory, AFileSystemBegunAndNotEndedIsHalfMade) {
  std::vector<JournalLine> lines;
  const MakeFilesystem make{{{"", "S1", 1}}, "single", "xfs", "l", "U1"};
  lines.push_back(begin_of(make));
  lines.back().seq = 1;
  EXPECT_THAT(history_of(lines).half_made.at("U1"), testing::ElementsAre("S1"));
  lines.push_back({.seq = 2, .event = JournalEvent::kDone, .of = 1});
  EXPECT_TRUE(history_of(lines).half_made.empty());
  EXPECT_TRUE(history_of(lines).made.contains("U1"));
  // A failure may be a refusal to touch what is somebody's.
  lines.back().event = JournalEvent::kFailed;
  EXPECT_TRUE(history_of(lines).half_made.empty());
  EXPECT_TRUE(history_of(lines).made.empty());
}

}  // namespace
}  // namespace gpunode::provision
