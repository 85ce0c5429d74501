#include "agent/plugin/compute_history.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const std::pair<std::string, std::string> kKey{"a", "GPU-0"};

std::vector<ShareUse> used(Duration time, std::uint64_t file = 1) {
  ShareUse use;
  use.allocation_id = "a";
  use.look.file = file;
  use.turns["GPU-0"].used = time;
  return {use};
}

TimePoint at(int second) {
  return TimePoint{} + seconds(1000 + second);
}

class OfComputeHistory : public testing::Test {
 protected:
  OfComputeHistory() {
    std::string pattern = testing::TempDir() + "history-XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    std::filesystem::create_directory(root_ + "/a");
    begin();
  }
  ~OfComputeHistory() override { std::filesystem::remove_all(root_); }

  /// Another agent.
  void begin() { history_.emplace(share::GrantFiles(root_)); }
  /// A window's end; the count that is shown.
  Duration note(int second, std::vector<ShareUse> uses) {
    history_->complete(&uses);
    history_->note(at(second), uses);
    return uses.empty() ? Duration() : uses[0].turns["GPU-0"].used;
  }
  Duration shown(std::vector<ShareUse> uses) {
    history_->complete(&uses);
    return uses[0].turns["GPU-0"].used;
  }
  /// Of files that are there.
  std::uint64_t grant() const {
    const share::GrantFiles files(root_);
    EXPECT_TRUE(files.renew({"a", {{"GPU-0", 1 << 20, {500}}}}));
    const auto file = files.file_of("a");
    EXPECT_TRUE(file);
    return file ? *file : 0;
  }
  std::string kept() const { return root_ + "/a/lives"; }

  std::string root_;
  std::optional<ComputeHistory> history_;
};

TEST_F(OfComputeHistory, TellsTheMeanAndTheBusiestWindow) {
  EXPECT_TRUE(history_->due(at(0)));
  // What was counted before it was first seen is of no window.
  note(0, used(seconds(7)));
  EXPECT_FALSE(history_->due(at(9)));
  EXPECT_THAT(history_->lives(), IsEmpty());
  note(10, used(seconds(8)));
  note(20, used(seconds(13)));
  note(40, used(seconds(14)));
  EXPECT_THAT(history_->lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(40), 175, 500})));
}

TEST_F(OfComputeHistory, ARefereeThatBeginsAnewTakesNothingAway) {
  EXPECT_EQ(note(0, used(seconds(0))), seconds(0));
  EXPECT_EQ(note(10, used(seconds(4))), seconds(4));
  EXPECT_EQ(note(20, used(seconds(1))), seconds(5));
  EXPECT_THAT(history_->lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(20), 250, 400})));
  EXPECT_EQ(shown(used(seconds(3))), seconds(7));
  // One that none of its work has gone through yet.
  EXPECT_EQ(shown(used(seconds(0))), seconds(7));
  EXPECT_EQ(shown(used(seconds(0))), seconds(7));
}

TEST_F(OfComputeHistory, EachOfItsCountsIsASum) {
  std::vector<ShareUse> uses = used(seconds(1));
  uses[0].turns["GPU-0"].waited = seconds(5);
  uses[0].turns["GPU-0"].turns = 9;
  history_->complete(&uses);
  // Of another referee already, though the GPU's time alone does not tell.
  uses = used(seconds(1));
  uses[0].turns["GPU-0"].waited = seconds(2);
  uses[0].turns["GPU-0"].turns = 20;
  history_->complete(&uses);
  EXPECT_EQ(uses[0].turns["GPU-0"].used, seconds(2));
  EXPECT_EQ(uses[0].turns["GPU-0"].waited, seconds(7));
  EXPECT_EQ(uses[0].turns["GPU-0"].turns, 29);
}

TEST_F(OfComputeHistory, WhoTakesNoTurnsForAWhileGoesOnFromWhatItHad) {
  note(0, used(seconds(0)));
  note(10, used(seconds(4)));
  std::vector<ShareUse> none = used(seconds(0));
  none[0].turns.clear();
  note(20, none);
  EXPECT_EQ(note(30, used(seconds(1))), seconds(5));
  note(40, used(seconds(3)));
  // Nobody watched from 10 to 30.
  EXPECT_THAT(history_->lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(20), 300, 400})));
}

TEST_F(OfComputeHistory, TheNextHolderOfTheSameIdsBeginsAnew) {
  note(0, used(seconds(0)));
  note(10, used(seconds(9)));
  history_->save();
  EXPECT_EQ(note(20, used(seconds(0), 2)), seconds(0));
  EXPECT_THAT(history_->lives(), IsEmpty());
  note(30, used(seconds(1), 2));
  EXPECT_THAT(history_->lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(10), 100, 100})));
  note(40, {});
  EXPECT_THAT(history_->lives(), IsEmpty());
}

// What is kept has the referee's counts already.
TEST_F(OfComputeHistory, ALookThatSawNothingAddsNothing) {
  const std::uint64_t file = grant();
  note(0, used(seconds(0), file));
  note(10, used(seconds(4), file));
  history_->save();
  note(20, {});
  history_->save();
  EXPECT_EQ(note(30, used(seconds(5), file)), seconds(5));
  // Gone for good.
  ASSERT_TRUE(share::GrantFiles(root_).remove("a"));
  note(40, {});
  EXPECT_THAT(history_->lives(), IsEmpty());
}

TEST_F(OfComputeHistory, ALookThatHasFailedTakesNothing) {
  const std::uint64_t file = grant();
  note(0, used(seconds(0), file));
  note(10, used(seconds(4), file));
  history_->save();
  std::vector<ShareUse> failed = used(seconds(0), 0);
  note(20, failed);
  history_->save();
  EXPECT_EQ(shown(used(seconds(5), file)), seconds(5));
  history_->save();
  begin();
  // Nor does one by which it would begin.
  note(0, failed);
  history_->save();
  EXPECT_EQ(shown(used(seconds(1), file)), seconds(6));
}

TEST_F(OfComputeHistory, NobodyHasMoreThanAllOfIt) {
  note(0, used(seconds(0)));
  // A kernel of before that is charged now; a clock that stood still.
  note(10, used(seconds(12)));
  note(10, used(seconds(13)));
  EXPECT_THAT(history_->lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(10), 1000, 1000})));
}

TEST_F(OfComputeHistory, TheNextAgentGoesOnFromWhatWasKept) {
  note(0, used(seconds(0)));
  note(10, used(seconds(4)));
  EXPECT_EQ(shown(used(seconds(6))), seconds(6));
  history_->save();
  begin();
  // Its referee counts from 0, and its clock is another.
  EXPECT_EQ(note(-500, used(seconds(1))), seconds(7));
  EXPECT_THAT(history_->lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(10), 400, 400})));
  EXPECT_EQ(note(-490, used(seconds(2))), seconds(8));
  EXPECT_THAT(history_->lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(20), 250, 400})));
  history_->save();
  begin();
  EXPECT_EQ(shown(used(seconds(0))), seconds(8));
}

TEST_F(OfComputeHistory, WhatIsDamagedBeginsAnewAndIsKeptAgain) {
  note(0, used(seconds(4)));
  history_->save();
  std::ofstream(kept()) << "nonsense";
  begin();
  EXPECT_EQ(shown(used(seconds(1))), seconds(1));
  history_->save();
  begin();
  EXPECT_EQ(shown(used(seconds(0))), seconds(1));
  std::filesystem::remove(kept());
  begin();
  EXPECT_EQ(shown(used(seconds(1))), seconds(1));
}

TEST_F(OfComputeHistory, WhatHasNotChangedIsNotWrittenAgain) {
  note(0, used(seconds(4)));
  history_->save();
  struct stat before {};
  ASSERT_EQ(::stat(kept().c_str(), &before), 0);
  history_->save();
  struct stat after {};
  ASSERT_EQ(::stat(kept().c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  shown(used(seconds(5)));
  history_->save();
  ASSERT_EQ(::stat(kept().c_str(), &after), 0);
  EXPECT_NE(before.st_ino, after.st_ino);
}

TEST_F(OfComputeHistory, WhatCannotBeKeptIsShownAllTheSame) {
  note(0, used(seconds(4)));
  std::filesystem::remove_all(root_ + "/a");
  history_->save();
  std::ofstream(root_ + "/a") << "no directory";
  history_->save();
  EXPECT_EQ(shown(used(seconds(5))), seconds(5));
}

}  // namespace
}  // namespace gpunode::plugin
