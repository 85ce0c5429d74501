#include "node/provision/journal.h"

#include <sys/resource.h>

#include <csignal>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "node/provision/action_json.h"

namespace gpunode::provision {
namespace {

using host::HostTree;
using testing::HasSubstr;
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
  add(begin_of(WriteFile{"/etc/a", "1"}));
  add(begin_of(WriteFile{"/etc/a", "2"}));
  add(begin_of(WriteFile{"/etc/b", "3"}));
  add({.event = JournalEvent::kUndone, .of = 3});
  add(begin_of(RemoveFile{"/etc/c"}));
  const History history = history_of(lines);
  EXPECT_EQ(history.written.at("/etc/a"), "2");
  EXPECT_FALSE(history.written.contains("/etc/b"));
  EXPECT_EQ(history.written.at("/etc/c"), "");
  EXPECT_THAT(standing_actions(lines), SizeIs(3));
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
