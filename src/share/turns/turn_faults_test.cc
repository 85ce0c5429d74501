// What a TurnBook makes of looks that lie or do not move, of clocks and of
// containers that come and go.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
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

TEST(TurnFaults, ContainersComeAndGo) {
  SharedGpu shared(
      {{0.5, busy(milliseconds(10))}, {0.5, busy(microseconds(5))}});
  shared.gpu.run(seconds(1));
  for (unsigned key = 2; key < 40; ++key) {
    shared.gpu.run(milliseconds(7));
    shared.gpu.add(key, 0.5, busy(microseconds(200)));
    shared.gpu.run(milliseconds(31));
    shared.gpu.remove(key);
  }
  shared.gpu.run(milliseconds(250));
  EXPECT_NEAR(shared.shares(seconds(1))[0], 50, kPoints);
  // Amid its turn, whoever has it.
  for (int i = 0; i < 1000 && !shared.gpu.open(); ++i) {
    shared.gpu.run(microseconds(100));
  }
  ASSERT_TRUE(shared.gpu.open());
  const TurnBook::Key gone = shared.gpu.open().value_or(0);
  ASSERT_LT(gone, 2u);
  shared.gpu.remove(gone);
  const Duration before = shared.gpu.done(1 - gone);
  shared.gpu.run(seconds(1));
  EXPECT_GT(shared.gpu.done(1 - gone) - before, milliseconds(980));
}

TEST(TurnFaults, TheClockMayJump) {
  SharedGpu shared(
      {{0.25, busy(microseconds(200))}, {0.75, busy(milliseconds(1))}});
  for (const Duration by :
       {Duration(std::chrono::hours(10000)),
        Duration(-std::chrono::hours(9000)), Duration(milliseconds(-3)),
        Duration(milliseconds(30))}) {
    shared.gpu.run(milliseconds(103));
    shared.gpu.jump(by);
    shared.gpu.run(milliseconds(500));
    EXPECT_NEAR(shared.shares(seconds(1))[0], 25, kPoints);
  }
}

TEST(TurnFaults, ADeadHolderTakesNextToNothing) {
  SimulatedProgram dead;
  dead.is_dead = true;
  for (const TurnPolicy policy : kPolicies) {
    SharedGpu shared({{0.5, dead}, {0.5, busy(microseconds(200))}}, policy);
    const double all = policy == TurnPolicy::kHard ? 50 : 99;
    EXPECT_GE(shared.shares(seconds(2))[1], all - 1);
  }
}

// A quota of CPU, which other threads of its use up: it comes when it has some,
// and finds that its turn is over.
TEST(TurnFaults, WhoHasACpuNowAndThenHasTurnsThen) {
  std::uint64_t missed = 0;
  SimulatedProgram awake;
  awake.lie = [&](TurnLook& look) { look.missed = missed; };
  SimulatedProgram throttled = awake;
  throttled.is_dead = true;
  SharedGpu shared({{0.5, throttled}, {0.5, busy(microseconds(200))}});
  shared.gpu.run(milliseconds(77));
  int without = 0;
  int longest = 0;
  for (int period = 0; period < 100; ++period) {
    const Duration before = shared.gpu.done(0);
    ++missed;
    shared.gpu.change(0, awake);
    shared.gpu.run(milliseconds(10));
    shared.gpu.change(0, throttled);
    shared.gpu.run(milliseconds(90));
    without = shared.gpu.done(0) == before ? without + 1 : 0;
    longest = std::max(longest, without);
  }
  EXPECT_LE(longest, 10);
  EXPECT_GE(shared.gpu.done(0), milliseconds(800));
}

TEST(TurnFaults, APersistentKernelIsToldAndOthersWorkBesideIt) {
  SimulatedProgram persistent;
  persistent.is_persistent = true;
  for (const TurnPolicy policy : kPolicies) {
    SharedGpu shared({{0.2, persistent},
                      {0.4, busy(microseconds(200))},
                      {0.4, busy(milliseconds(10))}},
                     policy);
    shared.gpu.run(seconds(4));
    EXPECT_FALSE(shared.book.is_persistent(0));
    shared.gpu.run(seconds(20));
    EXPECT_TRUE(shared.book.is_persistent(0));
    EXPECT_FALSE(shared.book.is_persistent(1));
    EXPECT_FALSE(shared.book.is_persistent(2));
    // The hardware gives it every other slice; the rest is the others'.
    const std::vector<double> shares = shared.shares(seconds(2));
    EXPECT_NEAR(shares[1], 24, kPoints);
    EXPECT_NEAR(shares[2], 24, kPoints);
  }
}

TEST(TurnFaults, NothingDriftsInAMillionOfSteps) {
  SharedGpu shared(
      {{0.2, busy(microseconds(200))},
       {0.8, bursts(milliseconds(1), milliseconds(2), microseconds(100))}});
  shared.gpu.run(milliseconds(250));
  const std::vector<double> first = shared.shares(seconds(2));
  shared.gpu.run(seconds(80));
  EXPECT_GT(shared.gpu.steps(), 1'000'000u);
  const std::vector<double> last = shared.shares(seconds(2));
  for (const TurnBook::Key key : {0U, 1U}) {
    EXPECT_GT(first[key], 20);
    EXPECT_NEAR(first[key], last[key], 1);
  }
  EXPECT_NEAR(in_seconds(shared.book.used(0) + shared.book.used(1)),
              in_seconds(shared.gpu.busy()), 0.8);
}

/// What one who says so takes of the GPU from one who works all the time.
double share_beside(double part, const SimulatedProgram& program,
                    TurnPolicy policy = TurnPolicy::kFair) {
  TurnBook book;
  SimulatedGpu gpu(book);
  book.set_policy(policy);
  gpu.add(0, part, program);
  gpu.add(1, 1 - part, {});
  gpu.run(milliseconds(500));
  const Duration before = gpu.done(1);
  gpu.run(seconds(4));
  return 1 - std::chrono::duration<double>(gpu.done(1) - before).count() / 4;
}

TEST(HostileLook, TakesNoMoreThanItsPart) {
  const auto always = [](TurnLook& look) {
    look.wants = true;
    look.is_busy = true;
    look.has_tail = true;
    look.tail = std::chrono::hours(1);
    look.launches = look.launches * 7919 + 1;
    look.passed = ~look.passed;
  };
  int calls = 0;
  const auto fickle = [&calls](TurnLook& look) {
    look.wants = ++calls % 2 == 0;
    look.is_busy = calls % 3 == 0;
    look.tail = Duration::min();
    look.has_tail = calls % 5 == 0;
    look.launches = static_cast<std::uint64_t>(calls);
  };
  const auto cap = std::chrono::duration<double>(TurnBook::kDrain).count();
  for (const double part : {0.05, 0.25, 0.5}) {
    for (const auto& lie :
         std::vector<std::function<void(TurnLook&)>>{always, fickle}) {
      SimulatedProgram liar;
      liar.lie = lie;
      for (const TurnPolicy policy : kPolicies) {
        // Switching, and what it says to have under way.
        EXPECT_LE(share_beside(part, liar, policy), part + 0.03 + cap);
      }
    }
  }
}

TEST(HostileLook, ThatHidesItsWorkGetsWhatTheHardwareGives) {
  SimulatedProgram liar;
  liar.lie = [](TurnLook& look) { look = {.wants = look.wants}; };
  EXPECT_LE(share_beside(0.05, liar), 0.53);
}

TEST(HostileLook, OfOneThatDoesNothingCostsItsPartAtMost) {
  SimulatedProgram liar;
  liar.is_dead = true;
  for (const bool is_busy : {false, true}) {
    std::uint64_t news = 0;
    liar.lie = [&](TurnLook& look) {
      look.wants = true;
      look.is_busy = is_busy;
      look.launches = ++news;
    };
    EXPECT_LE(share_beside(0.1, liar), 0.15);
  }
}

TEST(PersistentWork, IsToldAndOwesNothing) {
  for (const TurnPolicy policy :
       {TurnPolicy::kFair, TurnPolicy::kBurst, TurnPolicy::kHard}) {
    TurnBook book;
    SimulatedGpu gpu(book);
    book.set_policy(policy);
    SimulatedProgram persistent;
    persistent.is_persistent = true;
    persistent.lie = [](TurnLook& look) { look.wants = true; };
    gpu.add(0, 0.5, persistent);
    gpu.add(1, 0.5, {});
    gpu.run(seconds(9));
    EXPECT_FALSE(book.is_persistent(0)) << "half of that was the other's";
    gpu.run(seconds(51));
    EXPECT_TRUE(book.is_persistent(0));
    EXPECT_GT(book.used(0), seconds(25));
    const Duration done = gpu.done(1);
    gpu.run(seconds(1));
    EXPECT_GT(gpu.done(1) - done, milliseconds(450));
  }
}

TEST(PersistentWork, OwesWhatItHadUntilItWasKnown) {
  TurnBook book;
  TurnBook::Looks looks;
  book.set(0, 0.2);
  book.set(1, 0.8);
  TimePoint now{};
  looks[0] = {.is_busy = true, .launches = 1};
  looks[1] = {.wants = true, .is_busy = true};
  const auto step = [&] {
    ++looks[1].launches;
    return book.step(now += milliseconds(1), looks).open == 0u;
  };
  for (int i = 0; i < 60'000; ++i) step();
  ASSERT_TRUE(book.is_persistent(0));
  looks[0] = {.wants = true, .launches = 1, .passed = 1};
  const TimePoint end = now;
  while (!step() && now - end < seconds(60)) {
  }
  EXPECT_LE(now - end, seconds(21)) << "5 s, at a fifth";
}

TEST(TurnFaults, WhoLaunchesWithoutEndAsItsTurnBeginsHasNoMoreHeld) {
  SharedGpu shared({{0.5, bursts(microseconds(100), milliseconds(10))},
                    {0.5, busy(microseconds(200))}});
  shared.gpu.run(milliseconds(50));
  for (int i = 0; i < 5000 && shared.gpu.open() != 0; ++i) {
    shared.gpu.run(microseconds(10));
  }
  ASSERT_EQ(shared.gpu.open(), 0u);
  shared.gpu.change(0, busy(microseconds(5)));  // Not let in yet.
  EXPECT_NEAR(shared.shares(seconds(1))[0], 50, 2 * kPoints);
}

// Whatever the looks say: who wants the GPU and may have it has it, or is
// looked at again.
TEST(TurnFaults, NobodyWhoWantsTheGpuIsForgotten) {
  std::mt19937 random(1);
  const auto chance = [&](unsigned of) { return random() % of == 0; };
  for (const TurnPolicy policy : {TurnPolicy::kFair, TurnPolicy::kBurst}) {
    TurnBook book;
    book.set_policy(policy);
    TurnBook::Looks looks;
    for (TurnBook::Key key = 0; key < 3; ++key) {
      book.set(key, 0.3, static_cast<std::int32_t>(key / 2));
      looks[key] = {};
    }
    TimePoint now = TimePoint(seconds(1));
    for (int step = 0; step < 300'000; ++step) {
      for (auto& [key, look] : looks) {
        if (chance(3)) look.wants = chance(2);
        if (chance(3)) look.is_busy = chance(2);
        if (chance(3)) look.has_tail = chance(2);
        if (chance(2)) look.launches += random() % 40;
        if (chance(3)) look.passed += random() % 3;
        look.tail = microseconds(random() % 600);
      }
      now += microseconds(random() % 400);
      const TurnPlan plan = book.step(now, looks);
      const bool is_wanted =
          std::any_of(looks.begin(), looks.end(),
                      [](const auto& one) { return one.second.wants; });
      ASSERT_TRUE(plan.open || plan.wake || !is_wanted) << step;
    }
  }
}

}  // namespace
}  // namespace gpunode::share
