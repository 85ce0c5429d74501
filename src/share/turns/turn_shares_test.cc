// What containers get of a simulated GPU by the decisions of a TurnBook.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
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

/// Loads that are never done, each held to its part of what all of them get,
/// over 1 s or 50 kernels of each.
void expect_parts(const std::string& name, const std::vector<Load>& loads,
                  TurnPolicy policy, double least_total = 92) {
  SharedGpu shared(loads, policy);
  Duration length = seconds(1);
  double parts = 0;
  for (const Load& load : loads) {
    parts += load.part;
    length = std::max(length, std::chrono::duration_cast<Duration>(
                                  50 * load.program.kernel / load.part));
  }
  shared.gpu.run(std::max<Duration>(length / 4, milliseconds(250)));
  const std::vector<double> shares = shared.shares(length);
  double total = 0;
  for (const double share : shares) total += share;
  EXPECT_GE(total, least_total) << name;
  for (unsigned key = 0; key < loads.size(); ++key) {
    EXPECT_NEAR(100 * shares[key] / total, 100 * loads[key].part / parts,
                kPoints)
        << name << ", container " << key << ", policy " << int(policy);
  }
}

TEST(TurnShares, AreThePartsForKernelsOfOneLength) {
  for (const TurnPolicy policy : kPolicies) {
    for (const Duration kernel :
         {Duration(microseconds(5)), Duration(microseconds(200)),
          Duration(milliseconds(10)), Duration(milliseconds(20))}) {
      const std::string name = fmt::format("{} ns", kernel.count());
      const SimulatedProgram program = busy(kernel);
      expect_parts(name + " 1:1", {{0.5, program}, {0.5, program}}, policy);
      expect_parts(name + " 1:3", {{0.25, program}, {0.75, program}}, policy);
      expect_parts(name + " 1:19", {{0.05, program}, {0.95, program}}, policy);
    }
  }
}

TEST(TurnShares, AreThePartsForKernelsOfAllLengths) {
  for (const TurnPolicy policy : kPolicies) {
    for (const double part : {0.1, 0.25, 0.5, 0.75, 0.9}) {
      const std::string name = fmt::format("part {}", part);
      expect_parts(
          name + ", 5 us beside 10 ms",
          {{part, busy(microseconds(5))}, {1 - part, busy(milliseconds(10))}},
          policy);
      expect_parts(
          name + ", 50 ms beside 0.2 ms",
          {{part, busy(milliseconds(50))}, {1 - part, busy(microseconds(200))}},
          policy);
    }
    expect_parts("25:25:50",
                 {{0.25, busy(microseconds(200))},
                  {0.25, busy(microseconds(5))},
                  {0.5, busy(milliseconds(10))}},
                 policy);
  }
}

TEST(TurnShares, TheDebtOfALongKernelIsPaidBack) {
  for (const TurnPolicy policy : kPolicies) {
    for (const double part : {0.25, 0.75}) {
      expect_parts(fmt::format("200 ms, part {}", part),
                   {{part, busy(milliseconds(200))},
                    {1 - part, busy(microseconds(200))}},
                   policy);
    }
  }
  // A debt of 20 s of the other's.
  SharedGpu shared({{0.05, busy(seconds(1))}, {0.95, busy(microseconds(200))}});
  shared.gpu.run(seconds(60));
  EXPECT_GE(shared.gpu.done(0), seconds(2));
  EXPECT_LE(shared.gpu.done(0), seconds(4));
  expect_parts("5 s, part 0.5",
               {{0.5, busy(seconds(5))}, {0.5, busy(milliseconds(1))}},
               TurnPolicy::kFair);
}

TEST(TurnShares, AreThePartsOfAnyFromOneToTwenty) {
  std::mt19937 random(1);
  for (const unsigned count : {1U, 2U, 3U, 5U, 8U, 13U, 20U}) {
    std::vector<Load> loads;
    double weights = 0;
    for (unsigned i = 0; i < count; ++i) {
      const unsigned weight = 1 + static_cast<unsigned>(random() % 19);
      const Duration kernel = microseconds(5) * (1U << random() % 10);
      loads.push_back({double(weight), busy(kernel)});
      weights += weight;
    }
    for (Load& load : loads) {
      load.part /= weights;
      load.program.kernel = std::min(
          load.program.kernel,
          std::chrono::duration_cast<Duration>(load.part * milliseconds(20)));
    }
    for (const TurnPolicy policy : kPolicies) {
      expect_parts(fmt::format("{} containers", count), loads, policy, 90);
    }
  }
  const std::vector<Load> equal(20, {0.05, busy(microseconds(200))});
  for (const TurnPolicy policy : kPolicies) {
    expect_parts("20 of 1/20", equal, policy, 90);
  }
}

TEST(TurnShares, WhoIsAloneHasTheGpuUnlessAPartIsAllThatOneGets) {
  for (const double part : {0.05, 0.25, 0.5, 0.75}) {
    for (const TurnPolicy policy : {TurnPolicy::kFair, TurnPolicy::kBurst}) {
      SharedGpu shared({{part, busy(microseconds(200))}}, policy);
      EXPECT_GT(shared.shares(seconds(1))[0], 99.9);
      EXPECT_EQ(shared.book.turns(0), 1u) << "it is not asked to wait";
    }
    SharedGpu shared({{part, busy(microseconds(200))}}, TurnPolicy::kHard);
    EXPECT_NEAR(shared.shares(seconds(1))[0], 100 * part, 1);
  }
}

TEST(TurnShares, HardIsNeverAboveThePartInAnyTenthOfASecond) {
  for (const SimulatedProgram& program :
       {busy(microseconds(5)), busy(microseconds(200)), busy(milliseconds(1)),
        bursts(milliseconds(1), milliseconds(2)),
        bursts(milliseconds(4), milliseconds(10)),
        bursts(milliseconds(60), milliseconds(300)),
        bursts(microseconds(100), microseconds(150), microseconds(10))}) {
    for (const double part : {0.05, 0.25, 0.5, 0.75}) {
      SharedGpu shared({{part, program}}, TurnPolicy::kHard);
      std::vector<Duration> done{Duration{}};
      for (int i = 0; i < 400; ++i) {
        shared.gpu.run(milliseconds(5));
        done.push_back(shared.gpu.done(0));
        if (done.size() <= 20) continue;
        const Duration had = done.back() - done[done.size() - 21];
        EXPECT_LE(in_seconds(had) * 1000, 100 * part + kPoints)
            << "part " << part << ", kernel " << program.kernel.count()
            << ", burst " << program.burst.count();
      }
    }
  }
}

TEST(TurnShares, TimeThatOneDoesNotUseIsTheOthersUnlessHard) {
  for (const TurnPolicy policy : kPolicies) {
    SharedGpu shared({{0.5, bursts(milliseconds(1), milliseconds(10))},
                      {0.25, busy(microseconds(200))},
                      {0.25, busy(microseconds(5))}},
                     policy);
    shared.gpu.run(milliseconds(250));
    const std::vector<double> shares = shared.shares(seconds(1));
    EXPECT_NEAR(shares[0], 10, 1);
    const double rest = policy == TurnPolicy::kHard ? 25 : 44;
    EXPECT_NEAR(shares[1], rest, kPoints);
    EXPECT_NEAR(shares[2], rest, kPoints);
  }
}

/// Percent of what each does alone.
std::vector<double> parts_of_solo(const std::vector<Load>& loads,
                                  TurnPolicy policy) {
  std::vector<double> parts;
  SharedGpu shared(loads, policy);
  shared.gpu.run(milliseconds(500));
  for (const double share : shared.shares(seconds(2))) {
    SharedGpu alone({{1, loads[parts.size()].program}});
    alone.gpu.run(milliseconds(250));
    parts.push_back(100 * share / alone.shares(seconds(1))[0]);
  }
  return parts;
}

TEST(TurnShares, WhoIsSlowToLaunchLeavesTheRestToOthersAndLosesLittle) {
  for (const Duration hold :
       {Duration(milliseconds(2)), Duration(milliseconds(4))}) {
    for (const SimulatedProgram& hog :
         {busy(microseconds(200)), busy(milliseconds(2))}) {
      const std::vector<double> slow = parts_of_solo(
          {{0.5, slow_to_launch(0.4, hold)}, {0.5, hog}}, TurnPolicy::kFair);
      EXPECT_GE(slow[0], 95);
      EXPECT_GE(slow[1], 50) << "it has what the other leaves";
    }
    for (const double part : parts_of_solo({{0.5, slow_to_launch(0.4, hold)},
                                            {0.5, slow_to_launch(0.4, hold)}},
                                           TurnPolicy::kFair)) {
      EXPECT_GE(part, 95);
    }
  }
}

TEST(TurnShares, WhoIsSlowToLaunchHasNoMoreThanItsPart) {
  for (const double part : {0.1, 0.25}) {
    SharedGpu shared({{part, slow_to_launch(0.9, milliseconds(2))},
                      {1 - part, busy(microseconds(200))}});
    shared.gpu.run(milliseconds(500));
    EXPECT_NEAR(shared.shares(seconds(2))[0], 100 * part, kPoints);
  }
}

TEST(TurnShares, WhatASlowOneLeftIsNotOwedToIt) {
  SharedGpu shared({{0.5, slow_to_launch(0.4, milliseconds(4))},
                    {0.5, busy(microseconds(200))}});
  shared.gpu.run(seconds(20));
  shared.gpu.change(0, busy(microseconds(200)));
  const std::vector<double> shares = shared.shares(milliseconds(250));
  EXPECT_NEAR(shares[0], 50, 8);
  EXPECT_NEAR(shares[1], 50, 8);
}

TEST(TurnShares, WhoWaitsForItsKernelsIsNotTakenForOneThatGoesOn) {
  // 100 µs of work, then it waits for it: what it cannot launch it loses.
  const std::vector<double> parts = parts_of_solo(
      {{0.5, bursts(microseconds(100), microseconds(120), microseconds(10))},
       {0.5, busy(microseconds(200))}},
      TurnPolicy::kFair);
  EXPECT_NEAR(parts[0], 50, 6);
  EXPECT_NEAR(parts[1], 50, 6);
}

TEST(TurnShares, LightOnesAllGetTheirWork) {
  // 20 with 0.4 ms of work in 20 ms ask for 40 % of the GPU.
  for (const TurnPolicy policy : kPolicies) {
    SharedGpu shared(
        std::vector<Load>(20, {0.05, bursts(microseconds(400), milliseconds(20),
                                            microseconds(50))}),
        policy);
    shared.gpu.run(milliseconds(250));
    for (const double share : shared.shares(seconds(1))) {
      EXPECT_NEAR(share, 2, 0.2);
    }
  }
}

TEST(TurnShares, ASmallNeighbourOfALongOneWaitsForOneKernelOfIt) {
  for (const Duration kernel :
       {Duration(microseconds(200)), Duration(milliseconds(1)),
        Duration(milliseconds(10)), Duration(milliseconds(100))}) {
    SharedGpu shared({{0.5, bursts(milliseconds(1), milliseconds(10))},
                      {0.5, busy(kernel)}});
    shared.gpu.run(milliseconds(250));
    shared.gpu.forget_waits();
    shared.gpu.run(seconds(1));
    const Duration most =
        TurnBook::kShortest + TurnBook::kLook +
        std::min<Duration>(std::max<Duration>(kernel, microseconds(1500)),
                           TurnBook::kDrain) +
        milliseconds(1);
    EXPECT_LE(shared.gpu.longest_wait(0).count(), most.count())
        << kernel.count();
    EXPECT_GE(shared.gpu.bursts(0), kernel < milliseconds(2) ? 120u : 50u);
  }
}

TEST(TurnShares, ABurstOfWhoUsedLessThanItsPartIsFirstUnderBurst) {
  // 20 ms of work in 100 ms, of a part of 25.
  const std::vector<Load> loads = {
      {0.25, bursts(milliseconds(20), milliseconds(100))},
      {0.75, busy(microseconds(200))}};
  SharedGpu fair(loads, TurnPolicy::kFair);
  SharedGpu burst(loads, TurnPolicy::kBurst);
  for (SharedGpu* shared : {&fair, &burst}) {
    shared->gpu.run(seconds(1));
    shared->gpu.forget_waits();
    shared->gpu.run(seconds(1));
  }
  EXPECT_GT(fair.gpu.longest_wait(0), milliseconds(10)) << "amid its work";
  EXPECT_LT(burst.gpu.longest_wait(0), milliseconds(5));
}

TEST(TurnShares, WhatWasLentUnderBurstIsNotOwed) {
  SharedGpu shared({{0.25, busy(microseconds(200))},
                    {0.75, bursts(microseconds(10), seconds(9))}},
                   TurnPolicy::kBurst);
  shared.gpu.run(seconds(2));
  shared.gpu.change(0, bursts(milliseconds(20), milliseconds(100)));
  shared.gpu.change(1, busy(microseconds(200)));
  shared.gpu.run(seconds(6));  // Saves up, 5 ms in each 100.
  shared.gpu.forget_waits();
  shared.gpu.run(seconds(1));
  EXPECT_LT(shared.gpu.longest_wait(0), milliseconds(5));
}

TEST(TurnShares, AStepOfTheLoadSettlesWithinAQuarterOfASecond) {
  for (const TurnPolicy policy : kPolicies) {
    const SimulatedProgram idle = bursts(microseconds(10), seconds(100));
    SharedGpu shared(
        {{0.25, busy(microseconds(200))}, {0.75, idle}, {0.25, idle}}, policy);
    shared.gpu.run(seconds(1));
    shared.gpu.change(1, busy(milliseconds(1)));
    shared.gpu.run(milliseconds(250));
    const std::vector<double> two = shared.shares(seconds(1));
    EXPECT_NEAR(two[0], 25, kPoints);
    EXPECT_NEAR(two[1], 75, kPoints);
    shared.gpu.change(1, idle);
    shared.gpu.change(2, busy(microseconds(5)));
    shared.gpu.run(milliseconds(250));
    const std::vector<double> other = shared.shares(seconds(1));
    const double half = policy == TurnPolicy::kHard ? 25 : 50;
    EXPECT_NEAR(other[0], half, kPoints);
    EXPECT_NEAR(other[2], half, kPoints);
  }
}

TEST(TurnShares, WhatWasLaunchedAheadIsPaidFor) {
  SimulatedProgram far = busy(milliseconds(1));
  far.run_ahead = milliseconds(200);
  SharedGpu shared({{0.25, far}, {0.75, bursts(microseconds(10), seconds(9))}});
  shared.gpu.run(seconds(1));
  shared.gpu.change(1, busy(microseconds(200)));
  // 200 ms of it are done at first, and no more until they are paid back.
  const std::vector<double> shares = shared.shares(seconds(1));
  EXPECT_NEAR(shares[0], 25, kPoints);
  EXPECT_NEAR(shares[1], 75, 2 * kPoints);
}

TEST(TurnShares, WhoWasIdleSavesNothingUp) {
  SharedGpu shared({{0.5, busy(microseconds(200))},
                    {0.5, bursts(microseconds(10), seconds(30))}});
  shared.gpu.run(seconds(29));
  shared.gpu.change(1, busy(microseconds(200)));
  const std::vector<double> shares = shared.shares(milliseconds(100));
  EXPECT_NEAR(shares[0], 50, 10);
  EXPECT_NEAR(shares[1], 50, 10);
}

TEST(TurnShares, NobodyWaitsForMoreThanARound) {
  for (const unsigned count : {2U, 5U, 20U}) {
    SharedGpu shared(
        std::vector<Load>(count, {1.0 / count, busy(microseconds(200))}));
    shared.gpu.run(milliseconds(250));
    shared.gpu.forget_waits();
    shared.gpu.run(seconds(2));
    // What is under way is waited for at the end of each turn.
    const Duration most =
        std::max<Duration>(TurnBook::kRound, count * TurnBook::kShortest) +
        count * microseconds(1500);
    for (unsigned key = 0; key < count; ++key) {
      EXPECT_LE(shared.gpu.longest_wait(key).count(), most.count());
    }
  }
}

TEST(TurnShares, PartsAndPoliciesMayChangeAtAnyTime) {
  SharedGpu shared(
      {{0.5, busy(microseconds(200))}, {0.5, busy(milliseconds(1))}});
  shared.gpu.run(seconds(1));
  for (const double part : {0.1, 0.9, 0.25}) {
    for (const TurnPolicy policy : kPolicies) {
      shared.book.set(0, part);
      shared.book.set(1, 1 - part);
      shared.book.set_policy(policy);
      shared.gpu.run(milliseconds(250));
      EXPECT_NEAR(shared.shares(seconds(1))[0], 100 * part, kPoints);
    }
  }
  shared.book.set(1, 0.25);
  shared.book.set_policy(TurnPolicy::kHard);
  shared.gpu.run(milliseconds(250));
  EXPECT_NEAR(shared.shares(seconds(1))[0], 25, kPoints);
}

TEST(TurnShares, WhatIsChargedIsWhatTheGpuDid) {
  for (const TurnPolicy policy : kPolicies) {
    SharedGpu shared({{0.2, busy(microseconds(200))},
                      {0.3, busy(milliseconds(50))},
                      {0.2, bursts(milliseconds(1), milliseconds(10))},
                      {0.3, bursts(milliseconds(20), milliseconds(100))}},
                     policy);
    shared.gpu.run(seconds(3));
    double used = 0;
    for (unsigned key = 0; key < 4; ++key) {
      const double one = in_seconds(shared.book.used(key));
      const double done = in_seconds(shared.gpu.done(key));
      EXPECT_NEAR(one, done, 0.1 * done + 0.12) << key;
      used += one;
    }
    EXPECT_NEAR(used, in_seconds(shared.gpu.busy()), 0.06);
  }
  // Alone it is looked at now and then only.
  for (const SimulatedProgram& program :
       {busy(microseconds(200)), bursts(milliseconds(4), milliseconds(10)),
        bursts(milliseconds(1), milliseconds(10)),
        bursts(microseconds(500), milliseconds(1), microseconds(50)),
        bursts(milliseconds(30), milliseconds(90))}) {
    SharedGpu shared({{1, program}});
    shared.gpu.run(seconds(3));
    EXPECT_NEAR(in_seconds(shared.book.used(0)), in_seconds(shared.gpu.busy()),
                0.1);
    EXPECT_LT(shared.gpu.steps(), 4500u) << "and not more often than that";
  }
}

}  // namespace
}  // namespace gpunode::share
