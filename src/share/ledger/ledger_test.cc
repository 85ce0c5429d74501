#include "share/ledger/ledger.h"

#include <cstring>
#include <functional>
#include <set>

#include <gtest/gtest.h>

#include "share/ledger/shared_area.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint32_t kNamespace = 4026531836 & 0x3FFFF;

// Which processes have ended or are stopped, for as long as one test runs.
std::set<std::uint32_t>& ended() {
  static std::set<std::uint32_t> pids;
  return pids;
}
std::set<std::uint32_t>& stopped() {
  static std::set<std::uint32_t> pids;
  return pids;
}
// What happens when somebody looks whether a process lives.
std::function<void()>& looked() {
  static std::function<void()> then;
  return then;
}
Life life(std::uint32_t pid, std::uint64_t /*start_time*/) {
  if (looked()) looked()();
  if (ended().count(pid) != 0) return Life::kEnded;
  return stopped().count(pid) != 0 ? Life::kStopped : Life::kRuns;
}

class LedgerOfTwo : public ::testing::Test {
 protected:
  LedgerOfTwo() {
    ended().clear();
    stopped().clear();
    looked() = nullptr;
    EXPECT_TRUE(one.enroll({10, kNamespace, 100}));
    EXPECT_TRUE(two.enroll({20, kNamespace, 200}));
  }

  /// As `one` leaves it amid its asking: asked for, not yet granted.
  void one_asks_for(std::uint64_t bytes) const {
    head_of_one()->asks.fetch_add(1);
    reinterpret_cast<Cell*>(head_of_one() + 1)->held[0].fetch_add(bytes);
  }
  void one_takes_it_back(std::uint64_t bytes) const {
    reinterpret_cast<Cell*>(head_of_one() + 1)->held[0].fetch_sub(bytes);
    head_of_one()->asks.fetch_add(1);
  }
  SlotHead* head_of_one() const {
    return reinterpret_cast<SlotHead*>(
        area.ledger.data() + sizeof(LedgerHeader) + 2 * sizeof(DeviceTally));
  }

  SharedArea area{100 * kMiB, 2, 4};
  Ledger one = area.view(life);
  Ledger two = area.view(life);
};

TEST_F(LedgerOfTwo, GrantsUpToTheLimitToTheByte) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 60 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(0, MemoryKind::kPool, 40 * kMiB + 1),
            Verdict::kRefused);
  EXPECT_EQ(two.reserve(0, MemoryKind::kPool, 40 * kMiB), Verdict::kGranted);
  EXPECT_EQ(one.room(0), 0u);
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 1), Verdict::kRefused);
  one.release(0, MemoryKind::kData, 1);
  EXPECT_EQ(two.reserve(0, MemoryKind::kArray, 1), Verdict::kGranted);
  EXPECT_EQ(two.held(0), 100 * kMiB);
}

TEST_F(LedgerOfTwo, HoldsEachDeviceToItsOwnLimit) {
  area.limit_of(1).bytes = kMiB;
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 100 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(1, MemoryKind::kData, kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(1, MemoryKind::kData, 1), Verdict::kRefused);
  EXPECT_EQ(one.held(0), 100 * kMiB);
  EXPECT_EQ(one.held(1), kMiB);
}

TEST_F(LedgerOfTwo, NoSizeOverflowsTheSum) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, ~std::uint64_t{0}),
            Verdict::kRefused);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, ~std::uint64_t{0} - kMiB + 1),
            Verdict::kRefused);
  EXPECT_EQ(one.held(0), kMiB);
}

TEST_F(LedgerOfTwo, NothingIsGrantedAboveALimitThatWasLowered) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 60 * kMiB), Verdict::kGranted);
  area.limit_of(0).bytes = 50 * kMiB;
  EXPECT_EQ(one.room(0), 0u);
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 1), Verdict::kRefused);
  one.release(0, MemoryKind::kData, 20 * kMiB);
  EXPECT_EQ(one.room(0), 10 * kMiB);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 10 * kMiB), Verdict::kGranted);
  area.limit_of(0).bytes = 200 * kMiB;
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 150 * kMiB), Verdict::kGranted);
}

TEST_F(LedgerOfTwo, WhatTheDriverHoldsBesidesIsCharged) {
  area.limit_of(0).unaccounted = 70 * kMiB;
  EXPECT_EQ(one.room(0), 30 * kMiB);
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 30 * kMiB + 1),
            Verdict::kRefused);
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 30 * kMiB), Verdict::kGranted);
}

TEST_F(LedgerOfTwo, ChargesWhatIsThereAlready) {
  EXPECT_TRUE(one.charge(0, MemoryKind::kContext, 90 * kMiB));
  EXPECT_TRUE(two.charge(0, MemoryKind::kContext, 90 * kMiB));
  EXPECT_EQ(one.held(0), 180 * kMiB);
  EXPECT_EQ(one.room(0), 0u);
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 1), Verdict::kRefused);
}

TEST_F(LedgerOfTwo, WhatTheDeadHeldIsThereForTheLiving) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 80 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 80 * kMiB), Verdict::kRefused);
  ended().insert(10);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 80 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.held(0), 80 * kMiB);
  EXPECT_FALSE(one.is_enrolled());
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 1), Verdict::kNotEnrolled);
  EXPECT_FALSE(one.charge(0, MemoryKind::kData, 1));
  one.release(0, MemoryKind::kData, 80 * kMiB);
  EXPECT_EQ(two.held(0), 80 * kMiB);
}

TEST_F(LedgerOfTwo, ANewOwnerOfASlotOwesNothingOfTheLast) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 80 * kMiB), Verdict::kGranted);
  ended().insert(10);
  EXPECT_EQ(two.reap(), 1u);
  EXPECT_EQ(two.reap(), 0u);
  Ledger next = area.view(life);
  EXPECT_TRUE(next.enroll({30, kNamespace, 300}));
  EXPECT_EQ(next.slot(), one.slot());
  EXPECT_NE(next.generation(), one.generation());
  EXPECT_EQ(next.held(0), 0u);
  one.leave();  // Of no effect: the slot is another's.
  EXPECT_TRUE(next.is_enrolled());
}

TEST_F(LedgerOfTwo, TheNodesWordThatAProcessIsGoneCountsAtOnce) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 80 * kMiB), Verdict::kGranted);
  area.gone(one.slot()) = kGone | one.generation();
  EXPECT_EQ(two.held(0), 0u);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 100 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reap(), 1u);
  // The word is of that owner, not of the slot.
  Ledger next = area.view(life);
  EXPECT_TRUE(next.enroll({30, kNamespace, 300}));
  EXPECT_EQ(next.slot(), one.slot());
  EXPECT_TRUE(next.is_enrolled());
  two.release(0, MemoryKind::kData, 1);
  EXPECT_EQ(next.reserve(0, MemoryKind::kData, 1), Verdict::kGranted);
  EXPECT_EQ(next.held(0), 100 * kMiB);
}

TEST_F(LedgerOfTwo, APidOfAnotherNamespaceSaysNothing) {
  Ledger elsewhere = area.view(life);
  EXPECT_TRUE(elsewhere.enroll({30, kNamespace + 1, 300}));
  Ledger unknown = area.view(life);
  EXPECT_TRUE(unknown.enroll({40, 0, 0}));
  ended() = {10, 20, 30, 40};
  EXPECT_EQ(unknown.reap(), 0u);
  EXPECT_EQ(elsewhere.reap(), 0u);
  EXPECT_EQ(one.reap(), 1u);  // Of its own namespace there is `two` alone.
  EXPECT_TRUE(elsewhere.is_enrolled());
}

TEST_F(LedgerOfTwo, AFullLedgerHasRoomAgainWhenAProcessEnds) {
  Ledger three = area.view(life);
  Ledger four = area.view(life);
  Ledger five = area.view(life);
  EXPECT_TRUE(three.enroll({30, kNamespace, 300}));
  EXPECT_TRUE(four.enroll({40, kNamespace, 400}));
  EXPECT_FALSE(five.enroll({50, kNamespace, 500}));
  EXPECT_EQ(five.reserve(0, MemoryKind::kData, 1), Verdict::kNotEnrolled);
  two.leave();
  EXPECT_FALSE(two.is_enrolled());
  EXPECT_TRUE(five.enroll({50, kNamespace, 500}));
  ended().insert(30);
  EXPECT_TRUE(two.enroll({20, kNamespace, 200}));
}

TEST_F(LedgerOfTwo, WhatAProcessHeldBeforeItsExecIsGivenBack) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 80 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 10 * kMiB), Verdict::kGranted);
  Ledger after = area.view(life);
  EXPECT_TRUE(after.enroll({10, kNamespace, 100}));
  EXPECT_EQ(after.held(0), 10 * kMiB);
  // Another process of the same pid, before it is known when it began.
  Ledger other = area.view(life);
  EXPECT_TRUE(other.enroll({20, kNamespace, 201}));
  EXPECT_EQ(other.held(0), 10 * kMiB);
}

TEST_F(LedgerOfTwo, CountsPeakAndRefusals) {
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, 70 * kMiB), Verdict::kGranted);
  one.release(0, MemoryKind::kData, 70 * kMiB);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 30 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 80 * kMiB), Verdict::kRefused);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 800 * kMiB), Verdict::kRefused);
  const auto* tally =
      reinterpret_cast<DeviceTally*>(area.ledger.data() + sizeof(LedgerHeader));
  EXPECT_EQ(tally->peak.load(), 70 * kMiB);
  EXPECT_EQ(tally->refusals.load(), 2u);
}

TEST_F(LedgerOfTwo, AnOnlookerSeesWhoHoldsWhatAndTakesNoSlot) {
  EXPECT_TRUE(area.view(life).enroll({30, kNamespace + 1, 300}));
  Ledger onlooker = area.view(life);
  onlooker.look_on({40, kNamespace, 400});
  EXPECT_EQ(one.reserve(0, MemoryKind::kData, kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 2 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.reserve(0, MemoryKind::kPool, kMiB), Verdict::kGranted);
  std::uint32_t slot = 0;
  Holder holder;
  ASSERT_TRUE(onlooker.next_holder(0, &slot, &holder));
  EXPECT_EQ(holder.pid, 10u);
  EXPECT_EQ(holder.bytes, kMiB);
  ASSERT_TRUE(onlooker.next_holder(0, &slot, &holder));
  EXPECT_EQ(holder.pid, 20u);
  EXPECT_EQ(holder.bytes, 3 * kMiB);
  EXPECT_FALSE(onlooker.next_holder(0, &slot, &holder));
  slot = 0;
  EXPECT_FALSE(onlooker.next_holder(1, &slot, &holder)) << "holds none of it";
  ended().insert(10);
  EXPECT_EQ(onlooker.reap(), 1u);
  EXPECT_EQ(onlooker.held(0), 3 * kMiB);
  EXPECT_FALSE(onlooker.is_enrolled());
  // All but its own are there for others.
  EXPECT_TRUE(area.view(life).enroll({50, kNamespace, 500}));
  EXPECT_TRUE(area.view(life).enroll({60, kNamespace, 600}));
}

TEST_F(LedgerOfTwo, AProcessOfAnotherPidNamespaceIsNotShown) {
  Ledger third = area.view(life);
  ASSERT_TRUE(third.enroll({30, kNamespace + 1, 300}));
  EXPECT_EQ(third.reserve(0, MemoryKind::kData, kMiB), Verdict::kGranted);
  Ledger onlooker = area.view(life);
  onlooker.look_on({40, kNamespace, 400});
  std::uint32_t slot = 0;
  Holder holder;
  EXPECT_FALSE(onlooker.next_holder(0, &slot, &holder));
  onlooker.look_on({40, kNamespace + 1, 400});
  slot = 0;
  EXPECT_TRUE(onlooker.next_holder(0, &slot, &holder));
}

TEST_F(LedgerOfTwo, AProcessStoppedAmidItsAskingStopsNobody) {
  stopped().insert(10);
  one_asks_for(60 * kMiB);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 60 * kMiB), Verdict::kRefused);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 40 * kMiB), Verdict::kGranted);
  two.release(0, MemoryKind::kData, 40 * kMiB);
  ended().insert(10);
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 60 * kMiB), Verdict::kGranted);
}

TEST_F(LedgerOfTwo, OneThatRunsIsWaitedForHoweverSeldomItGetsATurn) {
  one_asks_for(60 * kMiB);
  int looks = 0;
  looked() = [&] {
    if (++looks == 70) one_takes_it_back(60 * kMiB);
  };
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 60 * kMiB), Verdict::kGranted);
  EXPECT_EQ(two.held(0), 60 * kMiB);
}

TEST_F(LedgerOfTwo, NobodyIsWaitedForWhereWhatIsGrantedLeavesNoRoom) {
  Ledger three = area.view(life);
  ASSERT_TRUE(three.enroll({30, kNamespace, 300}));
  EXPECT_EQ(three.reserve(0, MemoryKind::kData, 60 * kMiB), Verdict::kGranted);
  one_asks_for(10 * kMiB);
  int looks = 0;
  looked() = [&] { ++looks; };
  EXPECT_EQ(two.reserve(0, MemoryKind::kData, 41 * kMiB), Verdict::kRefused);
  EXPECT_LE(looks, 2) << "once at each, whether it is dead";
}

TEST_F(LedgerOfTwo, OneOfAnotherPidNamespaceThatGetsNowhereIsNotWaitedForLong) {
  Ledger elsewhere = area.view(life);
  ASSERT_TRUE(elsewhere.enroll({30, kNamespace + 1, 300}));
  one_asks_for(60 * kMiB);
  EXPECT_EQ(elsewhere.reserve(0, MemoryKind::kData, 60 * kMiB),
            Verdict::kRefused);
  EXPECT_EQ(elsewhere.reserve(0, MemoryKind::kData, 40 * kMiB),
            Verdict::kGranted);
}

TEST(Ledger, IsNoneOfOursOrIsRefused) {
  SharedArea area(kMiB, 2, 4);
  Limits limits;
  ASSERT_TRUE(Limits::view(area.limits.data(), area.limits.size(), &limits));
  Ledger ledger;
  const auto attaches = [&](std::size_t size) {
    return Ledger::attach(area.ledger.data(), size, limits, &ledger);
  };
  EXPECT_TRUE(attaches(area.ledger.size()));
  EXPECT_FALSE(attaches(area.ledger.size() - 1));
  EXPECT_FALSE(attaches(0));
  auto* header = reinterpret_cast<LedgerHeader*>(area.ledger.data());
  ++header->slots;
  EXPECT_FALSE(attaches(area.ledger.size()));
  --header->slots;
  --header->devices;
  EXPECT_FALSE(attaches(area.ledger.size()));
  ++header->devices;
  ++header->version;
  EXPECT_FALSE(attaches(area.ledger.size()));
  --header->version;
  header->magic ^= 1;
  EXPECT_FALSE(attaches(area.ledger.size()));
}

TEST(Ledger, HostileWordsInItLeadNowhereElse) {
  SharedArea area(kMiB, 1, 4);
  Ledger ledger = area.view(life);
  ended().clear();
  std::memset(area.ledger.data() + sizeof(LedgerHeader), 0xFF,
              area.ledger.size() - sizeof(LedgerHeader));
  reinterpret_cast<LedgerHeader*>(area.ledger.data())->used_slots =
      ~std::uint64_t{0};
  EXPECT_FALSE(ledger.enroll({10, kNamespace, 100}));
  EXPECT_EQ(ledger.reserve(0, MemoryKind::kData, 1), Verdict::kNotEnrolled);
  EXPECT_EQ(ledger.reap(), 0u);
  ledger.leave();
}

TEST(SlotWord, KeepsItsParts) {
  const SlotWord word = {SlotWord::Phase::kReaped, 0xFFFFF, 0x3FFFFF, 0x3FFFF};
  const SlotWord again = SlotWord::unpacked(word.packed());
  EXPECT_EQ(again.phase, word.phase);
  EXPECT_EQ(again.generation, word.generation);
  EXPECT_EQ(again.pid, word.pid);
  EXPECT_EQ(again.pid_namespace, word.pid_namespace);
  // A slot's generations begin anew; nothing flows over into the pid.
  SlotWord next = word;
  ++next.generation;
  EXPECT_EQ(SlotWord::unpacked(next.packed()).generation, 0u);
  EXPECT_EQ(SlotWord::unpacked(next.packed()).pid, word.pid);
}

}  // namespace
}  // namespace gpunode::share
