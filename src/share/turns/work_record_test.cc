#include "share/turns/work_record.h"

#include <chrono>
#include <optional>

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkRecordTest : public testing::Test {
 protected:
  Duration see(Duration passed) {
    now += passed;
    return record.see(look, now, passed);
  }

  WorkRecord record;
  TurnLook look;
  Duration now = seconds(1);
};

TEST_F(WorkRecordTest, IsAtWorkWhileItIsBusyAndHalfOfTheTimeAroundThat) {
  EXPECT_EQ(see(milliseconds(1)), Duration{});
  look.is_busy = true;
  EXPECT_EQ(see(milliseconds(1)), microseconds(500));
  EXPECT_EQ(see(milliseconds(1)), milliseconds(1));
  look.is_busy = false;
  EXPECT_EQ(see(milliseconds(1)), microseconds(500));
  EXPECT_EQ(see(milliseconds(1)), Duration{});
}

TEST_F(WorkRecordTest, PiecesAreLongByTheTimeFromFenceToFence) {
  const auto pass = [&](Duration passed, std::uint64_t fences) {
    look.passed += fences;
    record.add_time(static_cast<double>(see(passed).count()));
  };
  look.is_busy = true;
  pass(milliseconds(1), 0);
  for (int i = 0; i < 20; ++i) pass(milliseconds(8), 3);
  EXPECT_FALSE(record.has_long_pieces()) << "2.7 ms each";
  for (int i = 0; i < 5; ++i) {
    for (int part = 0; part < 9; ++part) pass(milliseconds(1), 0);
    pass(milliseconds(1), 1);
  }
  EXPECT_TRUE(record.has_long_pieces());
  for (int i = 0; i < 3; ++i) pass(milliseconds(1), 1);
  EXPECT_FALSE(record.has_long_pieces()) << "it is of lately";
  for (int i = 0; i < 4; ++i) pass(milliseconds(1), 0);
  EXPECT_TRUE(record.has_long_pieces()) << "the one under way is long already";
}

TEST_F(WorkRecordTest, OneLongPieceAfterTheOtherIsOfLongOnes) {
  for (int i = 0; i < 6; ++i) {
    look.is_busy = true;
    ++look.launches;
    record.add_time(static_cast<double>(see(microseconds(50)).count()));
    for (int part = 0; part < 9; ++part) {
      record.add_time(static_cast<double>(see(milliseconds(1)).count()));
    }
    look.is_busy = false;
    ++look.passed;
    record.add_time(static_cast<double>(see(milliseconds(1)).count()));
  }
  EXPECT_TRUE(record.has_long_pieces()) << "between two of them, too";
  for (int i = 0; i < 3; ++i) see(seconds(1));
  EXPECT_TRUE(record.has_long_pieces());
}

TEST_F(WorkRecordTest, TimeThatItWasIdleMakesNoPieceLong) {
  for (int i = 0; i < 20; ++i) {
    look.is_busy = true;
    ++look.launches;
    record.add_time(static_cast<double>(see(microseconds(50)).count()));
    look.is_busy = false;
    ++look.passed;
    record.add_time(static_cast<double>(see(microseconds(50)).count()));
    record.add_time(static_cast<double>(see(seconds(1)).count()));
  }
  EXPECT_FALSE(record.has_long_pieces());
}

TEST_F(WorkRecordTest, WorkThatNoFenceTellsOfIsNoLongPiece) {
  look.is_busy = true;
  record.add_time(static_cast<double>(see(milliseconds(1)).count()));
  for (int i = 0; i < 20; ++i) {
    look = {.has_tail = true,
            .tail = milliseconds(1),
            .launches = look.launches + 10};
    record.add_time(static_cast<double>(see(milliseconds(1)).count()));
    EXPECT_FALSE(record.has_long_pieces());
  }
}

TEST_F(WorkRecordTest, LaunchesWithoutAFenceAreWorkOnce) {
  look = {.has_tail = true, .tail = microseconds(300), .launches = 3};
  EXPECT_EQ(see(microseconds(100)), microseconds(100));
  EXPECT_EQ(see(microseconds(150)), microseconds(150));
  EXPECT_EQ(see(microseconds(100)), microseconds(50));
  EXPECT_EQ(see(microseconds(100)), Duration{});
}

TEST_F(WorkRecordTest, AreDoneAfterWhatHasOne) {
  look = {.is_busy = true,
          .has_tail = true,
          .tail = microseconds(300),
          .launches = 3};
  EXPECT_EQ(see(milliseconds(1)), microseconds(500));
  EXPECT_FALSE(record.done());
  look.is_busy = false;
  ++look.passed;
  EXPECT_EQ(see(milliseconds(1)), microseconds(500));
  EXPECT_EQ(record.done(), now + microseconds(300));
  // The next burst has begun meanwhile.
  look.is_busy = true;
  look.launches = 6;
  EXPECT_EQ(see(milliseconds(1)), microseconds(800));
}

TEST_F(WorkRecordTest, WhatCameAndWentBetweenTwoLooksWasShort) {
  ++look.launches;
  EXPECT_EQ(see(milliseconds(10)), microseconds(100));
  ++look.passed;
  EXPECT_EQ(see(microseconds(30)), microseconds(30));
  EXPECT_EQ(record.done(), now);
}

TEST_F(WorkRecordTest, NoTailIsBelievedToBeLongOrNegative) {
  look = {.has_tail = true, .tail = Duration::max(), .launches = 1};
  see(microseconds(1));
  EXPECT_EQ(record.done(), now + WorkRecord::kLongestTail);
  look.tail = Duration::min();
  ++look.launches;
  EXPECT_EQ(see(microseconds(10)), microseconds(10));
  EXPECT_EQ(record.done(), now);
}

TEST_F(WorkRecordTest, AsksToLaunchOrToBeAlone) {
  EXPECT_FALSE(record.asks());
  look.wants = true;
  see(microseconds(1));
  EXPECT_TRUE(record.asks());
  EXPECT_FALSE(record.is_at_work());
  look.wants = false;
  look.is_busy = true;
  see(microseconds(1));
  EXPECT_TRUE(record.asks());
  EXPECT_TRUE(record.is_at_work());
}

TEST_F(WorkRecordTest, WhatDoesNotMoveForSecondsOfTheGpusTimeIsPersistent) {
  const auto had = [this](Duration time) {
    record.add_time(std::chrono::duration<double, std::nano>(time).count());
  };
  look = {.is_busy = true, .launches = 1};
  see(seconds(20));
  had(seconds(5));
  EXPECT_FALSE(record.is_persistent()) << "slices of 20 s: not half of them";
  see(seconds(1));
  had(milliseconds(1));
  EXPECT_TRUE(record.is_persistent());
  EXPECT_FALSE(record.asks());
  // A fence is passed: it was a long kernel, or many.
  ++look.passed;
  see(seconds(1));
  EXPECT_FALSE(record.is_persistent());
  had(seconds(6));
  EXPECT_TRUE(record.is_persistent());
  look.is_busy = false;
  see(seconds(1));
  EXPECT_FALSE(record.is_persistent());
}

}  // namespace
}  // namespace gpunode::share
