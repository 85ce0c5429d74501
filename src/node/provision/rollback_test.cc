#include "node/provision/rollback.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/node_reset.h"
#include "node/provision/run_world_test.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Rollback, GoesAsFarAsToldTheLatestFirst) {
  World world;
  world.apply(world.performer);
  const auto journal = Journal::read(world.tree.root());
  ASSERT_TRUE(journal);
  const auto& lines = journal->lines;
  EXPECT_THAT(plan_rollback(lines, {}, {}), SizeIs(6));
  EXPECT_THAT(plan_rollback(lines, {.step = "b"}, {}), SizeIs(2));
  const auto later = plan_rollback(lines, {.after = 4}, {});
  EXPECT_THAT(later, SizeIs(4));
  EXPECT_GT(later.front().line.seq, later.back().line.seq);
}

TEST(Rollback, WhatANodeWasGivenIsGoneWithItsLeave) {
  std::vector<JournalLine> lines;
  const auto add = [&](const Action& action, const Action& inverse) {
    lines.push_back({.seq = lines.size() + 1, .event = JournalEvent::kBegin});
    lines.back().action = action;
    lines.back().inverse = {inverse};
    lines.push_back({.seq = lines.size() + 1,
                     .event = JournalEvent::kDone,
                     .of = lines.back().seq});
  };
  const auto order = [&] {
    std::vector<std::uint64_t> seqs;
    for (const Undoing& one : plan_rollback(lines, {}, {})) {
      seqs.push_back(one.line.seq);
    }
    return seqs;
  };
  const std::string path = "/var/lib/gpunode/node-meta";
  add(WriteFile{path, "1"}, RestoreFile{path, "", "1"});
  add(WriteFile{path, "2"}, RestoreFile{path, "/backup", "2"});
  add(WriteFile{"/etc/a", "a"}, RestoreFile{"/etc/a", "", "a"});
  EXPECT_THAT(order(), ElementsAre(5, 3, 1));
  add(LeaveCluster{"gpu-1"}, RestoreFile{"/etc/a", "", "a"});
  add(WriteFile{path, "1"}, RestoreFile{path, "", "1"});
  EXPECT_THAT(order(), ElementsAre(9, 7, 5));
  // A leave that did not come to its end has taken nothing away for sure.
  lines.erase(lines.begin() + 7);
  EXPECT_THAT(order(), ElementsAre(9, 7, 5, 3, 1));
  lines.insert(
      lines.begin() + 7,
      {.seq = 8, .event = JournalEvent::kFailed, .note = "no runtime"});
  lines[7].of = 7;
  EXPECT_THAT(order(), ElementsAre(9, 7, 5, 3, 1));
  // It took all away but a Pod that still runs.
  lines[7].note = std::string(kNoNodeAnyMore) + ", and a Pod runs";
  EXPECT_THAT(order(), ElementsAre(9, 7, 5));
}

// A restart before the file is back would take in what is being undone.
TEST(Rollback, WhatTakesInFilesComesAfterTheFilesOfItsStep) {
  std::vector<JournalLine> lines;
  const auto add = [&](const std::string& step, const Action& action,
                       const Action& inverse) {
    lines.push_back(
        {.seq = lines.size() + 1, .event = JournalEvent::kBegin, .step = step});
    lines.back().action = action;
    lines.back().inverse = {inverse};
  };
  const RunProgram grub{{"/usr/sbin/update-grub"}, {"/usr/sbin/update-grub"}};
  add("a", WriteFile{"/etc/a", "a"}, RestoreFile{"/etc/a", "", "a"});
  add("a", SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true});
  add("b", WriteFile{"/etc/b", "b"}, RestoreFile{"/etc/b", "", "b"});
  add("b", grub, grub);
  add("b", SetUnit{.unit = "b.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "b.service", .active = Wish::kNo});
  std::vector<std::uint64_t> order;
  for (const Undoing& one : plan_rollback(lines, {}, {})) {
    order.push_back(one.line.seq);
  }
  EXPECT_THAT(order, ElementsAre(5, 3, 4, 1, 2));
}

// A start that was cut off and done again is in the journal twice, and the
// second saw the service as the first had left it.
TEST(Rollback, WhatDidNotRunBeforeTheFirstStartDoesNotRunInTheEnd) {
  std::vector<JournalLine> lines;
  const auto add = [&](const Action& action, const Action& inverse) {
    lines.push_back(
        {.seq = lines.size() + 1, .event = JournalEvent::kBegin, .step = "a"});
    lines.back().action = action;
    lines.back().inverse = {inverse};
  };
  add(WriteFile{"/etc/a", "a"}, RestoreFile{"/etc/a", "", "a"});
  add(SetUnit{.unit = "a.service", .active = Wish::kYes},
      SetUnit{.unit = "a.service", .active = Wish::kNo});
  add(SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "a.service", .active = Wish::kYes, .restart = true});
  add(SetUnit{.unit = "b.service", .active = Wish::kYes, .restart = true},
      SetUnit{.unit = "b.service", .active = Wish::kYes, .restart = true});
  std::vector<std::uint64_t> order;
  for (const Undoing& one : plan_rollback(lines, {}, {})) {
    order.push_back(one.line.seq);
  }
  EXPECT_THAT(order, ElementsAre(3, 2, 1, 4));
}

// dnf sees the packages of the enabled stream alone.
TEST(Rollback, AStreamComesBackBeforeThePackagesThatItWasSetFor) {
  std::vector<JournalLine> lines;
  const auto add = [&](const Action& action) {
    lines.push_back(
        {.seq = lines.size() + 1, .event = JournalEvent::kBegin, .step = "a"});
    lines.back().action = action;
  };
  for (int run = 0; run < 2; ++run) {
    add(SetModuleStream{"nvidia-driver", "580-open"});
    add(InstallPackages{{"one"}});
    add(InstallPackages{{"two"}});
  }
  std::vector<std::uint64_t> order;
  for (const Undoing& one : plan_rollback(lines, {}, {})) {
    order.push_back(one.line.seq);
  }
  EXPECT_THAT(order, ElementsAre(4, 6, 5, 1, 3, 2));
}

TEST(Rollback, AFileThatALaterStepChangedTooIsLeft) {
  JournalLine first{.seq = 1, .event = JournalEvent::kBegin, .step = "a"};
  first.action = WriteFile{"/etc/fstab", "1"};
  JournalLine second{.seq = 2, .event = JournalEvent::kBegin, .step = "b"};
  second.action = WriteFile{"/etc/fstab", "2"};
  const auto plan = plan_rollback({first, second}, {.step = "a"}, {});
  ASSERT_THAT(plan, SizeIs(1));
  EXPECT_TRUE(plan[0].left);
  EXPECT_THAT(plan[0].why, HasSubstr("undo that as well"));
  for (const Undoing& one : plan_rollback({first, second}, {}, {})) {
    EXPECT_FALSE(one.left);
  }
}

TEST(Rollback, ADiskIsWipedOnlyByItsSerial) {
  JournalLine line{.seq = 1, .event = JournalEvent::kBegin, .step = "s"};
  line.action = MakeFilesystem{{{"", "S1", 1}, {"", "S2", 1}}};
  line.inverse = {WipeFilesystem{{{"", "S1", 1}, {"", "S2", 1}}}};
  const auto left = plan_rollback({line}, {}, {"S1"});
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_TRUE(left[0].left);
  EXPECT_THAT(left[0].why, HasSubstr("--confirm-wipe=S2"));
  EXPECT_FALSE(plan_rollback({line}, {}, {"S2", "S1"})[0].left);
  EXPECT_THAT(unknown_serials({line}, {"S2", "S1"}), IsEmpty());
  EXPECT_THAT(unknown_serials({line}, {"S2", "s1"}), ElementsAre("s1"));
}

TEST(Rollback, OfDisksWithOneSerialEachIsWipedByItsWwid) {
  const DiskIdentity first{"nvme_card", "nvme_card", 1, "nvme.1"};
  const DiskIdentity second{"nvme_card", "nvme_card", 1, "nvme.2"};
  JournalLine line{.seq = 1, .event = JournalEvent::kBegin, .step = "s"};
  line.action = MakeFilesystem{{first}};
  line.inverse = {WipeFilesystem{{first}}};
  JournalLine other{.seq = 2, .event = JournalEvent::kBegin, .step = "t"};
  other.action = MakeFilesystem{{second}};
  other.inverse = {WipeFilesystem{{second}}};
  const auto left = plan_rollback({line, other}, {}, {"nvme_card", "nvme.1"});
  ASSERT_THAT(left, SizeIs(2));
  EXPECT_TRUE(left[0].left);
  EXPECT_THAT(left[0].why, HasSubstr("--confirm-wipe=nvme.2"));
  EXPECT_FALSE(left[1].left);
  EXPECT_THAT(unknown_serials({line, other}, {"nvme_card", "nvme.1"}),
              ElementsAre("nvme_card"));
}

}  // namespace
}  // namespace gpunode::provision
