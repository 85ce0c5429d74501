#include "agent/plugin/compute_history.h"

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

TEST(ComputeHistory, TellsTheMeanAndTheBusiestWindow) {
  ComputeHistory history;
  EXPECT_TRUE(history.due(at(0)));
  // What was counted before it was first seen is of no window.
  history.note(at(0), used(seconds(7)));
  EXPECT_FALSE(history.due(at(9)));
  EXPECT_THAT(history.lives(), IsEmpty());
  history.note(at(10), used(seconds(8)));
  history.note(at(20), used(seconds(13)));
  history.note(at(40), used(seconds(14)));
  EXPECT_THAT(history.lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(40), 175, 500})));
}

TEST(ComputeHistory, ARefereeThatBeginsAnewTakesNothingAway) {
  ComputeHistory history;
  history.note(at(0), used(seconds(0)));
  history.note(at(10), used(seconds(4)));
  history.note(at(20), used(seconds(1)));
  EXPECT_THAT(history.lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(20), 250, 400})));
}

TEST(ComputeHistory, TheNextHolderOfTheSameIdsBeginsAnew) {
  ComputeHistory history;
  history.note(at(0), used(seconds(0)));
  history.note(at(10), used(seconds(9)));
  history.note(at(20), used(seconds(0), 2));
  EXPECT_THAT(history.lives(), IsEmpty());
  history.note(at(30), used(seconds(1), 2));
  EXPECT_THAT(history.lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(10), 100, 100})));
  history.note(at(40), {});
  EXPECT_THAT(history.lives(), IsEmpty());
}

TEST(ComputeHistory, NobodyHasMoreThanAllOfIt) {
  ComputeHistory history;
  history.note(at(0), used(seconds(0)));
  // A kernel of before that is charged now; a clock that stood still.
  history.note(at(10), used(seconds(12)));
  history.note(at(10), used(seconds(13)));
  EXPECT_THAT(history.lives(),
              ElementsAre(Pair(kKey, ComputeLife{seconds(10), 1000, 1000})));
}

}  // namespace
}  // namespace gpunode::plugin
