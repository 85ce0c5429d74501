#include "agent/plugin/kept_object.h"

#include <gtest/gtest.h>

namespace gpunode::plugin {
namespace {

using std::chrono::seconds;

constexpr TimePoint kNever = TimePoint::max();

TimePoint at(int second) {
  return TimePoint(seconds(second));
}

TEST(KeptObject, IsNotTouchedBeforeAWish) {
  KeptObject object;
  EXPECT_EQ(object.due(), kNever);
  object.look_again();
  EXPECT_EQ(object.due(), kNever);
  EXPECT_FALSE(object.is_done());
}

TEST(KeptObject, IsDoneAtOnceAndLookedAtNowAndThen) {
  KeptObject object;
  object.wish_changed();
  EXPECT_LE(object.due(), at(0));
  EXPECT_FALSE(object.begin(at(1)));
  EXPECT_EQ(object.due(), kNever);
  object.done(at(600));
  EXPECT_TRUE(object.is_done());
  EXPECT_EQ(object.due(), at(600));
  EXPECT_TRUE(object.begin(at(600)));
  EXPECT_TRUE(object.is_done());  // As far as is known.
}

TEST(KeptObject, AFailureIsWaitedOutWhateverIsWished) {
  KeptObject object;
  object.wish_changed();
  object.begin(at(1));
  EXPECT_EQ(object.count_failure(), 1U);
  object.failed(at(10));
  EXPECT_EQ(object.due(), at(10));
  object.wish_changed();
  object.look_again();
  EXPECT_EQ(object.due(), at(10));
  object.begin(at(10));
  EXPECT_EQ(object.count_failure(), 2U);
  object.failed(at(30));
  object.begin(at(30));
  object.done(at(600));
  EXPECT_EQ(object.due(), at(600));
  EXPECT_EQ(object.count_failure(), 1U);
}

TEST(KeptObject, AFailuresWaitCanBeEnded) {
  KeptObject object;
  object.wish_changed();
  object.begin(at(1));
  object.failed(at(10));
  object.try_now();
  EXPECT_LE(object.due(), at(1));
}

TEST(KeptObject, AWishDuringATryIsAnother) {
  KeptObject object;
  object.wish_changed();
  object.begin(at(1));
  object.wish_changed();
  object.done(at(600));
  EXPECT_FALSE(object.is_done());
  EXPECT_LE(object.due(), at(1));
}

TEST(KeptObject, ALookDuringATryIsAnother) {
  KeptObject object;
  object.wish_changed();
  object.begin(at(1));
  object.look_again();
  object.done(at(600));
  EXPECT_TRUE(object.is_done());
  EXPECT_LE(object.due(), at(1));
  EXPECT_TRUE(object.begin(at(1)));
}

}  // namespace
}  // namespace gpunode::plugin
