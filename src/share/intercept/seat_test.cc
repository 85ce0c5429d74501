#include "share/intercept/seat.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

constexpr std::uint64_t kMicro = 1000;
constexpr std::uint64_t kMilli = 1000 * kMicro;

/// A program with one stream, and a Device that does its work in time that is
/// only counted.
class SeatTest : public ::testing::Test {
 protected:
  SeatTest() {
    seat.lane = &lane;
    at = find_stream(&seat, reinterpret_cast<abi::CUcontext>(&seat), nullptr);
    seat.streams[at].pace_since = now;
  }

  /// One that takes the program `own` and the Device `cost`, others wanting the
  /// Device.
  void launch(std::uint64_t cost, std::uint64_t own) {
    now += own;
    pass();
    free_at = std::max(free_at, now) + cost;
    LaneStream& stream = seat.streams[at];
    ++stream.count;
    ++seat.launches;
    if (++stream.since < seat.every) return;
    keep_pace(&seat, at, now);
    stream.since = 0;
    fences.push_back(free_at);
    lane.asked[at] = ++stream.asked;
    while (fences.size() > most_fences(lane)) {
      now = std::max(now, fences.front());
      pass();
    }
    most_under_way = std::max(most_under_way, free_at - now);
  }
  void launch(int count, std::uint64_t cost, std::uint64_t own) {
    for (int i = 0; i < count; ++i) launch(cost, own);
  }
  void pass() {
    while (!fences.empty() && fences.front() <= now) {
      ++lane.done[at];
      fences.pop_front();
    }
  }
  std::uint64_t piece() const { return lane.piece * kMicro; }
  /// Launches that may be held, of so many streams in turn.
  std::uint32_t most_held(std::uint32_t streams = 1) {
    const auto before = seat.streams;
    for (std::uint32_t stream = 0; stream < streams; ++stream) {
      LaneStream& one = seat.streams[stream];
      one.until = lane.opened + 1;
      one.gated_count = one.count;
      one.gated = one.asked;
      one.since = 0;
    }
    std::uint32_t launches = 0;
    while (launches < 1000 && may_hold_more(seat, launches % streams)) {
      LaneStream& one = seat.streams[launches++ % streams];
      ++one.count;
      if (++one.since < seat.every) continue;
      one.since = 0;
      ++one.asked;
    }
    seat.streams = before;
    return launches;
  }

  Lane lane = {};
  Seat seat;
  std::uint32_t at = 0;
  std::uint64_t now = 1000 * kMilli;
  std::uint64_t free_at = 0;
  std::uint64_t most_under_way = 0;
  std::deque<std::uint64_t> fences;
};

TEST_F(SeatTest, NothingIsKnownAtFirst) {
  EXPECT_EQ(seat.every, 1u);
  EXPECT_EQ(most_fences(lane), 3u);
  EXPECT_EQ(most_held(), 2u);
}

TEST_F(SeatTest, PiecesOfShortKernelsAreMany) {
  launch(3000, 5 * kMicro, 3 * kMicro);
  EXPECT_EQ(seat.every, kMostEvery);
  EXPECT_NEAR(static_cast<double>(piece()), 160e3, 8e3);
  EXPECT_EQ(most_fences(lane), kMostFences - 1);
  EXPECT_NEAR(most_held(), 400, 20);
}

TEST_F(SeatTest, KernelsOfAboutAPieceAreOneEach) {
  launch(300, 200 * kMicro, 3 * kMicro);
  EXPECT_EQ(seat.every, 1u);
  EXPECT_NEAR(static_cast<double>(piece()), 200e3, 8e3);
  EXPECT_NEAR(most_fences(lane), 7, 1);
  EXPECT_NEAR(most_held(), 10, 1);
}

TEST_F(SeatTest, OfLongKernelsOneIsBehindTheOther) {
  launch(300, 5 * kMicro, 3 * kMicro);
  launch(600, 10 * kMilli, 3 * kMicro);
  EXPECT_EQ(seat.every, 1u);
  EXPECT_EQ(most_fences(lane), 1u);
  EXPECT_EQ(most_held(), 1u);
  launch(10000, 5 * kMicro, 3 * kMicro);
  EXPECT_EQ(seat.every, kMostEvery) << "they are forgotten";
}

TEST_F(SeatTest, LongOnesAmongShortOnesComeAgain) {
  const auto step = [this] {
    launch(60, 5 * kMicro, 4 * kMicro);
    launch(20, 300 * kMicro, 4 * kMicro);
  };
  for (int i = 0; i < 10; ++i) step();
  most_under_way = 0;
  for (int i = 0; i < 50; ++i) step();
  EXPECT_LE(most_under_way, 2500 * kMicro);
}

TEST_F(SeatTest, OfASlowProgramOnlyWhatItTakesItselfIsKnown) {
  launch(1000, 5 * kMicro, 20 * kMicro);
  EXPECT_EQ(seat.every, 12u);
  EXPECT_LE(piece(), 12 * 21 * kMicro);
  EXPECT_NEAR(most_held(), 100, 8) << "of what may be 2 ms";
}

TEST_F(SeatTest, WhatWasHeldTellsHowFastTheDeviceIs) {
  launch(1000, 5 * kMicro, 20 * kMicro);
  const std::uint32_t held = most_held();
  // Six pieces are held, and let in.
  LaneStream& stream = seat.streams[at];
  now = std::max(now, free_at);
  pass();
  stream.gated = stream.asked;
  lane.until[at] = stream.until = lane.opened + 1;
  stream.asked += 6;
  open_gates(&seat);
  EXPECT_EQ(lane.opened, stream.until);
  EXPECT_EQ(stream.pace_from, stream.gated);
  stream.pace_since = now;  // On the clock that is only counted.
  for (int i = 0; i < 6; ++i) {
    free_at = std::max(free_at, now) + seat.every * 5 * kMicro;
    fences.push_back(free_at);
  }
  launch(64, 5 * kMicro, 20 * kMicro);
  EXPECT_GT(most_held(), held);
}

TEST_F(SeatTest, AProgramThatDidNothingForLongIsNoLongKernel) {
  launch(1000, 5 * kMicro, 20 * kMicro);
  const std::uint64_t before = piece();
  for (int i = 0; i < 100; ++i) {
    now += 10'000 * kMilli;
    launch(64, 5 * kMicro, 20 * kMicro);
  }
  EXPECT_LE(piece(), 2 * before);
}

TEST_F(SeatTest, LongLaunchesThatAreWaitedForEachHaveFences) {
  launch(3000, 5 * kMicro, 3 * kMicro);
  ASSERT_EQ(seat.every, kMostEvery);
  const std::uint32_t before = seat.streams[at].asked;
  for (int i = 0; i < 20; ++i) {
    launch(1, 10 * kMilli, 3 * kMicro);
    const std::uint64_t begun = now;
    now = std::max(now, free_at);
    pass();
    learn_from_wait(&seat, now - begun);
    seat.streams[at].since = 0;
  }
  EXPECT_EQ(seat.every, 1u);
  EXPECT_GT(seat.streams[at].asked, before + 10);
  EXPECT_GE(piece(), 9 * kMilli);
}

TEST_F(SeatTest, AWaitForManyStreamsIsForAllOfTheirLaunches) {
  launch(3000, 5 * kMicro, 3 * kMicro);
  learn_from_wait(&seat, 0);
  for (int i = 0; i < 20; ++i) {
    seat.launches += 32;
    learn_from_wait(&seat, 2 * kMilli);
  }
  EXPECT_NEAR(seat.mean_cost, 62.5e3, 1e3);
  EXPECT_EQ(seat.every, 4u);
}

TEST_F(SeatTest, AWaitForOtherThingsIsNoWork) {
  launch(3000, 5 * kMicro, 3 * kMicro);
  learn_from_wait(&seat, 900'000);
  learn_from_wait(&seat, 100 * kMilli);
  launch(2, 5 * kMicro, 3 * kMicro);
  learn_from_wait(&seat, 5'000 * kMilli);
  EXPECT_EQ(seat.every, kMostEvery);
}

TEST_F(SeatTest, AClockThatStandsStillIsNoFault) {
  for (int i = 0; i < 2000; ++i) {
    launch(0, 0);
    now = 1000 * kMilli;
  }
  EXPECT_EQ(seat.every, kMostEvery);
  EXPECT_NE(seat.mean_cost, 0u);
}

TEST_F(SeatTest, WhatTheProgramTookItselfIsNoLongKernel) {
  launch(1, 5 * kMicro, 3 * kMicro);
  now += 900 * kMilli;  // It loads something.
  launch(100, 5 * kMicro, 3 * kMicro);
  EXPECT_GE(seat.every, 16u);
}

TEST_F(SeatTest, StreamsDivideWhatMayBeHeld) {
  launch(300, 200 * kMicro, 3 * kMicro);
  now = free_at;
  pass();
  EXPECT_NEAR(most_held(4), most_held(), 1);
}

TEST_F(SeatTest, QuickWorkIsHeldByItsFences) {
  launch(3000, 5 * kMicro, 3 * kMicro);
  seat.mean_cost = 1;
  EXPECT_EQ(most_held(), kMostHeld * kMostEvery);
}

TEST_F(SeatTest, LaunchesOfOtherStreamsCostTheTimeBetween) {
  // Eight streams in turn: each is seen to come on an eighth as fast.
  for (int i = 0; i < 100; ++i) {
    seat.launches += 7 * seat.every;
    now += 7 * seat.every * 20 * kMicro;
    launch(static_cast<int>(seat.every), 5 * kMicro, 20 * kMicro);
  }
  EXPECT_NEAR(seat.mean_cost, 20e3, 2e3);
}

}  // namespace
}  // namespace gpunode::share
