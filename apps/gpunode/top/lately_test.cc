#include "apps/gpunode/top/lately.h"

#include <chrono>

#include <gtest/gtest.h>

namespace gpunode::top {
namespace {

Snapshot used(double gpu_seconds, double throttled_seconds) {
  Snapshot snapshot;
  HolderRow& row = snapshot.holders.emplace_back();
  row.allocation = "a";
  row.device = "GPU-0";
  row.turns.emplace();
  row.turns->is_counted = true;
  row.turns->gpu_seconds = gpu_seconds;
  row.turns->throttled_seconds = throttled_seconds;
  return snapshot;
}

TimePoint at(int second) {
  return TimePoint{} + std::chrono::seconds(1000 + second);
}

TEST(Lately, IsWhatWasUsedSinceTheLookBefore) {
  Lately lately;
  Snapshot first = used(100, 50);
  lately.note(at(0), first);
  EXPECT_FALSE(first.holders[0].turns->lately);
  Snapshot second = used(101, 50.5);
  lately.note(at(4), second);
  EXPECT_EQ(second.holders[0].turns->lately, 250U);
  EXPECT_EQ(second.holders[0].turns->throttled_lately, 125U);
  Snapshot third = used(101, 50.5);
  lately.note(at(6), third);
  EXPECT_EQ(third.holders[0].turns->lately, 0U);
}

TEST(Lately, IsNotKnownOfWhomAnotherAgentCounts) {
  Lately lately;
  Snapshot first = used(100, 50);
  lately.note(at(0), first);
  Snapshot second = used(1, 0);
  lately.note(at(2), second);
  EXPECT_FALSE(second.holders[0].turns->lately);
  // Of that one it is known.
  Snapshot third = used(2, 0);
  lately.note(at(4), third);
  EXPECT_EQ(third.holders[0].turns->lately, 500U);
}

TEST(Lately, IsNoMoreThanAllOfIt) {
  Lately lately;
  Snapshot first = used(0, 0);
  lately.note(at(0), first);
  Snapshot second = used(9, 9);
  lately.note(at(2), second);
  EXPECT_EQ(second.holders[0].turns->lately, 1000U);
  EXPECT_EQ(second.holders[0].turns->throttled_lately, 1000U);
  // It was not counted anew.
  Snapshot third = used(9, 9);
  lately.note(at(2), third);
  EXPECT_EQ(third.holders[0].turns->lately, 1000U);
  EXPECT_EQ(third.holders[0].turns->throttled_lately, 1000U);
}

TEST(Lately, NobodySaysAnythingOfWhoWasNotCounted) {
  Lately lately;
  Snapshot first = used(0, 0);
  lately.note(at(0), first);
  Snapshot second = used(1, 1);
  second.holders[0].turns->is_counted = false;
  lately.note(at(2), second);
  EXPECT_FALSE(second.holders[0].turns->lately);
  second.holders[0].turns.reset();
  lately.note(at(3), second);
  Snapshot third = used(2, 2);
  lately.note(at(4), third);
  EXPECT_FALSE(third.holders[0].turns->lately);
}

}  // namespace
}  // namespace gpunode::top
