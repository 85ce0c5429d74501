#include "share/turns/turn_book.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "share/turns/simulated_gpu.h"

namespace gpunode::share {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A book that is told what to see. Two containers: 0 and 1, a half each.
class TurnBookTest : public testing::Test {
 protected:
  TurnBookTest() {
    book.set(0, 0.5);
    book.set(1, 0.5);
  }

  TurnPlan step(Duration after = microseconds(1)) {
    now += after;
    return book.step(now, looks);
  }

  /// Looks as often as the book asks for, until it says so or `most` is over.
  template <class Condition>
  std::optional<Duration> wait_for(Condition condition,
                                   Duration most = seconds(2)) {
    const TimePoint begin = now;
    TurnPlan turn = step();
    while (!condition(turn)) {
      if (!turn.wake || *turn.wake - begin > most) return std::nullopt;
      EXPECT_GT(*turn.wake, now);
      turn = step(*turn.wake - now);
    }
    return now - begin;
  }

  std::optional<Duration> wait_for_open(TurnBook::Key key,
                                        Duration most = seconds(2)) {
    return wait_for([key](const TurnPlan& turn) { return turn.open == key; },
                    most);
  }

  /// It has its turn and is at work.
  void let_work(TurnBook::Key key) {
    looks[key].wants = true;
    ASSERT_TRUE(wait_for_open(key));
    looks[key].wants = false;
    looks[key].is_busy = true;
    ++looks[key].launches;
    ASSERT_EQ(step().open, key);
  }

  TurnBook book;
  TurnBook::Looks looks;
  TimePoint now{std::chrono::hours(1)};
};

TEST_F(TurnBookTest, NobodyHasATurnWhoDoesNotWantOne) {
  const TurnPlan turn = step();
  EXPECT_FALSE(turn.open);
  EXPECT_FALSE(turn.is_contended);
  EXPECT_FALSE(turn.wake) << "there is nothing to look at";
}

TEST_F(TurnBookTest, WhoIsFirstMayBeginAtOnceAndRunAhead) {
  looks[1].wants = true;
  const TurnPlan turn = step();
  EXPECT_EQ(turn.open, 1u);
  EXPECT_FALSE(turn.is_contended);
  EXPECT_EQ(book.turns(1), 1u);
  EXPECT_EQ(book.turns(0), 0u);
}

TEST_F(TurnBookTest, WhoIsIdleLosesItsTurnWithinTheTenthOfAMillisecond) {
  let_work(0);
  step(milliseconds(1));
  looks[1].wants = true;
  ASSERT_TRUE(step(microseconds(10)).is_contended);
  const TurnPlan turn = step(microseconds(20));
  ASSERT_EQ(turn.open, 0u);
  ASSERT_TRUE(turn.wake);
  // Idle just after this look.
  looks[0].is_busy = false;
  ++looks[0].passed;
  const TimePoint idle = now;
  EXPECT_EQ(step(*turn.wake - now).open, 0u) << "it may have only begun to be";
  EXPECT_TRUE(wait_for_open(1));
  EXPECT_LE(now - idle, microseconds(101));
  EXPECT_GE(now - idle, TurnBook::kIdle);
}

TEST_F(TurnBookTest, AProgramThatWaitsForEachKernelKeepsItsTurn) {
  let_work(0);
  looks[1].wants = true;
  for (int i = 0; i < 60; ++i) {  // 1.8 ms.
    looks[0].is_busy = i % 2 == 0;
    looks[0].launches += i % 2 == 0 ? 0 : 1;
    EXPECT_EQ(step(microseconds(30)).open, 0u) << i;
  }
}

TEST_F(TurnBookTest, WhatHasNoFenceBehindItIsGivenItsTime) {
  let_work(0);
  looks[1].wants = true;
  looks[0] = {.has_tail = true,
              .tail = microseconds(400),
              .launches = looks[0].launches + 1};
  step();
  const std::optional<Duration> waited = wait_for_open(1);
  ASSERT_TRUE(waited);
  EXPECT_GE(*waited, microseconds(400));
  EXPECT_LE(*waited, microseconds(550));
}

TEST_F(TurnBookTest, TheNextOneWaitsForTheFencesOfTheLast) {
  let_work(0);
  looks[1].wants = true;
  ASSERT_TRUE(wait_for([](const TurnPlan& turn) { return !turn.open; }));
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(step(milliseconds(1)).open);
  looks[0].is_busy = false;
  EXPECT_EQ(step().open, 1u);
}

TEST_F(TurnBookTest, ButNotForLong) {
  let_work(0);
  looks[1].wants = true;
  ASSERT_TRUE(wait_for([](const TurnPlan& turn) { return !turn.open; }));
  const std::optional<Duration> waited = wait_for_open(1);
  ASSERT_TRUE(waited);
  EXPECT_GE(*waited, TurnBook::kDrain);
  EXPECT_LE(*waited, TurnBook::kDrain + milliseconds(1));
  // Both are at work: each pays for a half.
  looks[1] = {.is_busy = true, .launches = 1};
  step(microseconds(20));
  const Duration before[] = {book.used(0), book.used(1)};
  step(milliseconds(1));
  EXPECT_EQ(book.used(0) - before[0], microseconds(500));
  EXPECT_EQ(book.used(1) - before[1], microseconds(500));
}

TEST_F(TurnBookTest, WorkThatGoesOnAfterATurnIsGivenTheNextOne) {
  book.set(0, 0.9);
  book.set(1, 0.1);
  let_work(0);
  looks[1].wants = true;
  ASSERT_TRUE(wait_for_open(1));
  looks[1] = {.is_busy = true, .launches = 1};
  // 0 has one long kernel and no thread that wants to launch.
  looks[1].wants = false;
  ASSERT_TRUE(wait_for([](const TurnPlan& turn) { return !turn.open; }));
  looks[1].is_busy = false;
  EXPECT_TRUE(wait_for_open(0, milliseconds(20)));
}

TEST_F(TurnBookTest, WhoWasInTheWayOfOthersLatelyDoesNotRunAhead) {
  let_work(0);
  looks[1].wants = true;
  ASSERT_TRUE(wait_for_open(1));
  looks[0].is_busy = false;
  looks[1] = {.is_busy = true, .launches = 1};
  EXPECT_TRUE(step(milliseconds(10)).is_contended);
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(step(milliseconds(100)).is_contended) << i;
  }
  step(milliseconds(100));
  EXPECT_FALSE(step(milliseconds(100)).is_contended);
}

TEST_F(TurnBookTest, ATurnInWhichNothingIsDoneEndsAndNobodyLooks) {
  let_work(0);
  looks[0].is_busy = false;
  const std::optional<Duration> left =
      wait_for([](const TurnPlan& turn) { return !turn.open && !turn.wake; },
               seconds(1));
  ASSERT_TRUE(left);
  EXPECT_GE(*left, TurnBook::kLeft);
  EXPECT_LE(*left, TurnBook::kLeft + milliseconds(3));
  looks[0].wants = true;
  EXPECT_EQ(step(std::chrono::hours(1)).open, 0u);
}

TEST_F(TurnBookTest, WhoDoesNotLaunchWhenItMayIsPassedOver) {
  looks[0].wants = true;
  looks[1].wants = true;
  ASSERT_EQ(step().open, 0u);
  const std::optional<Duration> waited = wait_for_open(1);
  ASSERT_TRUE(waited);
  EXPECT_LE(*waited, TurnBook::kDead + microseconds(100));
  // 1 works and has no reason to wait for it.
  looks[1] = {.is_busy = true, .launches = 1};
  for (int i = 0; i < 5; ++i) {
    ++looks[1].passed;
    EXPECT_EQ(step(milliseconds(1)).open, 1u);
  }
  // It launches after all: it lives, and is next.
  ++looks[0].launches;
  EXPECT_TRUE(wait_for([](const TurnPlan& turn) { return turn.open != 1u; },
                       milliseconds(7)));
}

TEST_F(TurnBookTest, WhoCameBackIsTriedAgainSoon) {
  looks[1] = {.wants = true, .is_busy = true};
  looks[0].wants = true;
  const auto is_passed_over = [this] {
    ASSERT_TRUE(wait_for_open(0, seconds(3)));
    ASSERT_TRUE(wait_for_open(1));
  };
  for (int i = 0; i < 6; ++i) is_passed_over();
  EXPECT_GT(wait_for_open(0), milliseconds(500));
  ++looks[0].launches;
  step();
  is_passed_over();
  EXPECT_LT(wait_for_open(0), milliseconds(60));
}

TEST_F(TurnBookTest, WhoSaysThatItCameTooLateIsTriedAtOnce) {
  looks[1] = {.wants = true, .is_busy = true};
  looks[0].wants = true;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(wait_for_open(0, seconds(3)));
    ASSERT_TRUE(wait_for_open(1));
  }
  ++looks[0].missed;
  const std::optional<Duration> waited = wait_for_open(0);
  ASSERT_TRUE(waited);
  EXPECT_LE(*waited, TurnBook::kLongest + TurnBook::kDrain);
}

TEST_F(TurnBookTest, WhoWasPassedOverIsTriedAgainButSeldom) {
  looks[0].wants = true;
  looks[1].wants = true;
  const std::uint64_t before = book.turns(0);
  looks[1].is_busy = true;
  for (int i = 0; i < 100'000; ++i) {
    const TurnPlan turn = step(microseconds(100));
    if (turn.open == 1u) {
      ++looks[1].launches;
      ++looks[1].passed;
    }
    looks[1].is_busy = turn.open == 1u;
  }
  EXPECT_GE(book.turns(0) - before, 8u)
      << "no look tells that it has CPU again";
  EXPECT_LE(book.turns(0) - before, 20u);
  EXPECT_GT(book.used(1), milliseconds(9900));
}

TEST_F(TurnBookTest, WhoHoldsATurnPaysForItWhateverItSays) {
  book.set(0, 0.1);
  book.set(1, 0.9);
  looks[0].wants = true;
  looks[1].wants = true;
  Duration held{};
  int open_for = 0;
  for (int i = 0; i < 20'000; ++i) {
    const TurnPlan turn = step(microseconds(100));
    const bool is_open = turn.open == 0u;
    held += is_open ? microseconds(100) : microseconds(0);
    looks[1].is_busy = turn.open == 1u;
    // Before it would be passed over it says that it has nothing to do.
    open_for = is_open ? open_for + 1 : 0;
    looks[0].wants = open_for < 15;
    looks[1].launches += looks[1].is_busy ? 1 : 0;
  }
  EXPECT_LE(held, milliseconds(240)) << "of 2 s";
}

TEST_F(TurnBookTest, ADebtIsTimeWhateverThePartBecomes) {
  book.set(0, 0.05);
  let_work(0);
  looks[1].wants = true;
  ASSERT_TRUE(wait_for_open(1));
  book.set(0, 0.5);
  looks[0] = {.wants = true, .launches = looks[0].launches, .passed = 1};
  looks[1] = {.wants = true, .is_busy = true, .launches = 1};
  const std::optional<Duration> waited =
      wait_for([](const TurnPlan& turn) { return !turn.open; });
  ASSERT_TRUE(waited);
  EXPECT_LE(*waited, milliseconds(30)) << "it had 20 ms";
}

TEST_F(TurnBookTest, DebtsHaveAnEnd) {
  // Its fences pass beside the turns of the other, for 100 s.
  book.set(0, 0.05);
  book.set(1, 0.95);
  looks[0].is_busy = true;
  looks[1] = {.wants = true, .is_busy = true};
  const auto pass = [this] {
    ++looks[0].passed;
    ++looks[1].launches;
    return step(milliseconds(10)).open == 0u;
  };
  for (int i = 0; i < 10'000; ++i) pass();
  const TimePoint begin = now;
  looks[0].is_busy = false;
  looks[0].wants = true;
  while (!pass() && now - begin < seconds(1000)) {
    --looks[0].passed;
  }
  EXPECT_LE(now - begin, 20 * TurnBook::kMostDebt);
  EXPECT_GE(now - begin, 18 * TurnBook::kMostDebt);
}

TEST_F(TurnBookTest, ADebtIsPaidByTimeThatNobodyUses) {
  book.set(0, 0.05);
  let_work(0);
  looks[1].wants = true;
  ASSERT_TRUE(wait_for_open(1));
  looks[0] = {.launches = looks[0].launches, .passed = 1};
  looks[1] = {};
  ASSERT_TRUE(
      wait_for([](const TurnPlan& turn) { return !turn.open && !turn.wake; },
               seconds(1)));
  looks[0].wants = true;
  looks[1].wants = true;
  EXPECT_EQ(step(seconds(5)).open, 0u) << "it owed 0.4 s of others";
}

TEST_F(TurnBookTest, CountsTurnsAndTimeThatWasWaited) {
  looks[0].wants = true;
  step();
  looks[1].wants = true;
  step();
  looks[0] = {.is_busy = true, .launches = 1};
  for (int i = 0; i < 10; ++i) step(microseconds(100));
  EXPECT_EQ(book.waited(1), milliseconds(1));
  EXPECT_EQ(book.waited(0), Duration{});
  EXPECT_EQ(book.turns(0), 1u);
  EXPECT_EQ(book.turns(1), 0u);
  EXPECT_EQ(book.used(7), Duration{});
  EXPECT_EQ(book.waited(7), Duration{});
  EXPECT_EQ(book.turns(7), 0u);
  EXPECT_FALSE(book.is_persistent(7));
}

TEST_F(TurnBookTest, RemovedOnesAreForgotten) {
  let_work(0);
  looks[1].wants = true;
  step();
  book.remove(0);
  book.remove(9);
  EXPECT_EQ(step().open, 1u)
      << "amid the other's turn, whose look is still told";
  EXPECT_EQ(book.used(0), Duration{});
  book.remove(1);
  EXPECT_TRUE(book.is_empty());
  const TurnPlan turn = step();
  EXPECT_FALSE(turn.open);
  EXPECT_FALSE(turn.wake);
}

TEST_F(TurnBookTest, UnderHardOneWaitsForItsPartAndIsWokenForIt) {
  book.set_policy(TurnPolicy::kHard);
  book.set(0, 0.1);
  let_work(0);
  ASSERT_TRUE(wait_for([](const TurnPlan& turn) { return !turn.open; }));
  looks[0] = {.wants = true, .launches = looks[0].launches};
  const TurnPlan turn = step();
  EXPECT_FALSE(turn.open);
  ASSERT_TRUE(turn.wake);
  const std::optional<Duration> waited = wait_for_open(0);
  ASSERT_TRUE(waited);
  EXPECT_NEAR(std::chrono::duration<double>(*waited).count(),
              std::chrono::duration<double>(TurnBook::kSaved).count() / 0.1,
              0.002);
}

TEST_F(TurnBookTest, PartsThatAreNoneAreVerySmallOnes) {
  const double none[] = {0, -1, std::nan(""),
                         -std::numeric_limits<double>::infinity()};
  for (const double part : none) {
    for (const TurnPolicy policy :
         {TurnPolicy::kFair, TurnPolicy::kBurst, TurnPolicy::kHard}) {
      TurnBook small;
      SimulatedGpu gpu(small);
      small.set_policy(policy);
      gpu.add(0, part, {});
      gpu.add(1, std::numeric_limits<double>::infinity(), {});
      gpu.run(seconds(1));
      EXPECT_LT(gpu.done(0), milliseconds(20));
      EXPECT_GT(gpu.done(1), milliseconds(960));
      EXPECT_LE(small.used(0) + small.used(1), milliseconds(1001));
    }
  }
}

TEST_F(TurnBookTest, AnyClockIsSurvived) {
  looks[0].wants = true;
  looks[1].wants = true;
  looks[1].is_busy = true;
  const TimePoint times[] = {
      TimePoint::min(), TimePoint::max(), TimePoint::min(),
      TimePoint{},      TimePoint::max(), TimePoint::max() - microseconds(1)};
  for (const TimePoint time : times) {
    const TurnPlan turn = book.step(time, looks);
    EXPECT_GE(turn.wake.value_or(time), time);
  }
  EXPECT_LE(book.used(0) + book.used(1), milliseconds(500));
}

}  // namespace
}  // namespace gpunode::share
