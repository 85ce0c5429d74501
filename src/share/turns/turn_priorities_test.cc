// Who of different priorities has a simulated GPU when, by the decisions of a
// TurnBook.
#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "share/turns/shared_gpu.h"
#include "share/turns/simulated_gpu.h"
#include "share/turns/turn_book.h"

namespace gpunode::share {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double kPoints = 3;
constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kHighest = std::numeric_limits<std::int32_t>::max();

/// It asks for little, now and then.
SimulatedProgram requests() {
  return bursts(milliseconds(1), milliseconds(20));
}

TEST(TurnPriorities, ARequestOfAHigherOneWaitsForNoMoreThanWhatIsUnderWay) {
  for (const TurnPolicy policy : kPolicies) {
    for (const Duration kernel :
         {Duration(microseconds(5)), Duration(microseconds(200)),
          Duration(milliseconds(1)), Duration(milliseconds(10)),
          Duration(milliseconds(100))}) {
      SharedGpu shared({{0.25, requests(), 1}, {0.75, busy(kernel)}}, policy);
      shared.gpu.run(milliseconds(500));
      shared.gpu.forget_waits();
      shared.gpu.run(seconds(2));
      // Its thread wakes in 50 µs. The GPU has up to 1.5 ms of the other's.
      const Duration under_way = std::min<Duration>(
          std::max<Duration>(kernel, microseconds(1500)),
          TurnBook::kDrain + microseconds(TurnBook::kDrain) / 16);
      EXPECT_LE(shared.gpu.longest_wait(0).count(),
                (under_way + microseconds(300)).count())
          << "kernel " << kernel.count() << ", policy " << int(policy);
    }
  }
}

TEST(TurnPriorities, WhoAsksForMoreThanItsPartWaitsAmongEqualsAlone) {
  for (const bool is_first : {false, true}) {
    SharedGpu shared(
        {{0.25, bursts(milliseconds(4), milliseconds(10)), is_first ? 1 : 0},
         {0.75, busy(microseconds(200))}});
    shared.gpu.run(milliseconds(500));
    shared.gpu.forget_waits();
    shared.gpu.run(seconds(2));
    EXPECT_EQ(shared.gpu.longest_wait(0) < milliseconds(2), is_first);
  }
}

TEST(TurnPriorities, ALowerOneHasWhatTheHigherLeavesAndAllOfIt) {
  // 40 % of the GPU's time, whatever its part.
  SharedGpu shared({{0.05, bursts(milliseconds(8), milliseconds(20)), kHighest},
                    {0.95, busy(microseconds(200)), kLowest}});
  shared.gpu.run(milliseconds(250));
  const std::vector<double> shares = shared.shares(seconds(2));
  EXPECT_NEAR(shares[0], 40, kPoints);
  EXPECT_GT(shares[1], 50);
  // Nothing while it works on, and all as soon as it does not.
  shared.gpu.change(0, busy(microseconds(200)));
  shared.gpu.run(milliseconds(100));
  EXPECT_LT(shared.shares(seconds(5))[1], 0.5);
  shared.gpu.change(0, bursts(microseconds(10), seconds(100)));
  shared.gpu.run(milliseconds(20));
  EXPECT_GT(shared.shares(seconds(1))[1], 99);
}

TEST(TurnPriorities, AHigherOneWhoseWorkDoesNotEndKeepsNobodyForLong) {
  SimulatedProgram stuck = busy(microseconds(200));
  stuck.is_persistent = true;
  for (const TurnPolicy policy : kPolicies) {
    SharedGpu shared({{0.5, stuck, kHighest}, {0.5, busy(microseconds(200))}},
                     policy);
    shared.gpu.run(milliseconds(400));
    EXPECT_GT(shared.shares(seconds(1))[1], 30) << int(policy);
    EXPECT_LT(shared.gpu.longest_wait(1), milliseconds(300)) << int(policy);
  }
}

TEST(TurnPriorities, AHigherOneWithGapsLeavesALowerOneItsPartUnderBurst) {
  for (const double part : {0.25, 0.5}) {
    for (const int gap : {45, 80, 100, 120}) {
      const SimulatedProgram gaps =
          bursts(microseconds(100), microseconds(100 + gap), microseconds(100));
      SharedGpu shared(
          {{1 - part, gaps, kHighest}, {part, busy(microseconds(200))}},
          TurnPolicy::kBurst);
      shared.gpu.run(milliseconds(500));
      EXPECT_GT(shared.shares(seconds(2))[1], 85 * part) << gap;
    }
  }
}

// Among equals it gives the GPU away in its gaps, and has it back by its part.
TEST(TurnPriorities, AHigherOneThatIsSlowToLaunchLosesNothing) {
  for (const Duration kernel :
       {Duration(microseconds(200)), Duration(milliseconds(10))}) {
    for (const double load : {0.3, 0.7}) {
      SharedGpu shared({{0.2, slow_to_launch(load, milliseconds(2)), 0},
                        {0.8, busy(kernel), 0}});
      shared.gpu.run(seconds(1));
      shared.book.set(0, 0.2, 1);
      shared.gpu.run(milliseconds(20));
      EXPECT_NEAR(shared.shares(seconds(2))[0], 100 * load, kPoints)
          << kernel.count();
    }
  }
}

TEST(TurnPriorities, EqualsShareWhatIsLeftByTheirParts) {
  for (const std::int32_t low : {kLowest, -1, 0}) {
    SharedGpu shared({{0.5, bursts(milliseconds(8), milliseconds(20)), 1},
                      {0.125, busy(microseconds(200)), low},
                      {0.375, busy(milliseconds(1)), low}});
    shared.gpu.run(milliseconds(250));
    const std::vector<double> shares = shared.shares(seconds(2));
    EXPECT_NEAR(shares[0], 40, kPoints);
    EXPECT_NEAR(shares[1] / (shares[1] + shares[2]), 0.25, 0.03);
    EXPECT_GT(shares[1] + shares[2], 50);
  }
}

TEST(TurnPriorities, EqualsAboveALowerOneShareByTheirParts) {
  SharedGpu shared({{0.2, busy(microseconds(200)), kHighest},
                    {0.6, busy(milliseconds(1)), kHighest},
                    {0.2, busy(microseconds(200)), kHighest - 1}});
  shared.gpu.run(milliseconds(250));
  const std::vector<double> shares = shared.shares(seconds(2));
  EXPECT_NEAR(shares[0], 25, kPoints);
  EXPECT_NEAR(shares[1], 75, kPoints);
  EXPECT_LT(shares[2], 0.5);
}

TEST(TurnPriorities, UnderBurstALowerOneKeepsItsPart) {
  for (const double part : {0.05, 0.25, 0.5}) {
    SharedGpu shared({{1 - part, busy(microseconds(200)), 1000},
                      {part, busy(microseconds(200)), -1000}},
                     TurnPolicy::kBurst);
    shared.gpu.run(milliseconds(500));
    EXPECT_NEAR(shared.shares(seconds(2))[1], 100 * part, kPoints) << part;
  }
  // What nobody has a part of is the higher one's.
  SharedGpu shared(
      {{0.25, busy(microseconds(200)), 1}, {0.25, busy(microseconds(200)), 0}},
      TurnPolicy::kBurst);
  shared.gpu.run(milliseconds(500));
  const std::vector<double> shares = shared.shares(seconds(2));
  EXPECT_NEAR(shares[0], 75, kPoints);
  EXPECT_NEAR(shares[1], 25, kPoints);
}

// A high one that lived on lent time for long is owed its part as before.
TEST(TurnPriorities, WhatAHigherOneWasLentUnderBurstIsNotOwed) {
  SharedGpu shared({{0.25, busy(microseconds(200)), 1},
                    {0.25, busy(microseconds(200)), 0},
                    {0.25, bursts(microseconds(10), seconds(100)), 2}},
                   TurnPolicy::kBurst);
  shared.gpu.run(seconds(20));
  shared.gpu.change(2, busy(microseconds(200)));
  shared.gpu.run(milliseconds(250));
  const std::vector<double> shares = shared.shares(seconds(2));
  EXPECT_NEAR(shares[0], 25, kPoints);
  EXPECT_NEAR(shares[1], 25, kPoints);
  EXPECT_NEAR(shares[2], 50, kPoints);
}

TEST(TurnPriorities, UnderHardNobodyHasMoreThanItsPart) {
  SharedGpu shared({{0.2, busy(microseconds(200)), 1},
                    {0.2, busy(microseconds(200)), 0},
                    {0.5, busy(milliseconds(1)), -1}},
                   TurnPolicy::kHard);
  shared.gpu.run(milliseconds(500));
  const std::vector<double> shares = shared.shares(seconds(2));
  EXPECT_NEAR(shares[0], 20, kPoints);
  EXPECT_NEAR(shares[1], 20, kPoints);
  EXPECT_NEAR(shares[2], 50, kPoints);
}

TEST(TurnPriorities, NobodySavesUpWhileAHigherOneWorksNorOwesForIt) {
  for (const TurnPolicy policy : {TurnPolicy::kFair, TurnPolicy::kBurst}) {
    SharedGpu shared(
        {{0.5, busy(microseconds(200)), 1}, {0.5, busy(microseconds(200)), 0}},
        policy);
    for (const std::int32_t priority : {1, -1, kHighest, kLowest}) {
      shared.book.set(0, 0.5, priority);
      shared.gpu.run(seconds(20));
      shared.book.set(0, 0.5, 0);
      const std::vector<double> shares = shared.shares(milliseconds(200));
      EXPECT_NEAR(shares[0], 50, 10) << priority;
      EXPECT_NEAR(shares[1], 50, 10) << priority;
      EXPECT_NEAR(shared.shares(seconds(1))[0], 50, kPoints) << priority;
    }
  }
}

TEST(TurnPriorities, MayChangeWhileAllWork) {
  SharedGpu shared({{0.5, busy(microseconds(200))},
                    {0.25, busy(milliseconds(1))},
                    {0.25, busy(microseconds(5))}});
  shared.gpu.run(milliseconds(250));
  for (const unsigned first : {0U, 1U, 2U}) {
    for (unsigned key = 0; key < 3; ++key) {
      shared.book.set(key, key == 0 ? 0.5 : 0.25, key == first ? 7 : -7);
    }
    shared.gpu.run(milliseconds(20));
    EXPECT_GT(shared.shares(seconds(1))[first], 97) << first;
  }
  for (unsigned key = 0; key < 3; ++key) {
    shared.book.set(key, key == 0 ? 0.5 : 0.25, 3);
  }
  shared.gpu.run(milliseconds(250));
  const std::vector<double> shares = shared.shares(seconds(1));
  EXPECT_NEAR(shares[0], 50, kPoints);
  EXPECT_NEAR(shares[1], 25, kPoints);
  EXPECT_NEAR(shares[2], 25, kPoints);
}

TEST(TurnPriorities, WhatOneOwesItOwesToItsEqualsOfThen) {
  for (const bool comes_to_another : {false, true}) {
    SharedGpu shared({{0.1, bursts(seconds(1), seconds(100), seconds(1))},
                      {0.8, busy(microseconds(200)), 0},
                      {0.1, bursts(microseconds(10), seconds(100)), 1}});
    shared.gpu.run(milliseconds(2200));  // Half of them its one kernel's.
    if (comes_to_another) shared.book.set(0, 0.1, 1);
    shared.gpu.change(0, busy(microseconds(200)));
    if (comes_to_another) shared.gpu.change(2, busy(microseconds(200)));
    EXPECT_NEAR(shared.shares(milliseconds(300))[0], comes_to_another ? 50 : 0,
                10);
  }
}

TEST(TurnPriorities, AHigherOneThatDiesKeepsNobodyWaiting) {
  SimulatedProgram dead = busy(microseconds(200));
  dead.is_dead = true;
  SharedGpu shared({{0.5, dead, kHighest}, {0.5, busy(microseconds(200)), 0}});
  shared.gpu.run(milliseconds(250));
  EXPECT_GT(shared.shares(seconds(2))[1], 95);
}

TEST(TurnPriorities, WorkOfAHigherOneThatDoesNotEndKeepsNobodyWaiting) {
  SimulatedProgram persistent = busy(microseconds(200));
  persistent.is_persistent = true;
  SharedGpu shared({{0.5, persistent, 1}, {0.5, busy(microseconds(200)), 0}});
  shared.gpu.run(seconds(12));
  ASSERT_TRUE(shared.book.is_persistent(0));
  // The hardware slices between both.
  EXPECT_GT(shared.shares(seconds(1))[1], 40);
}

}  // namespace
}  // namespace gpunode::share
