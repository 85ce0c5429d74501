#include "share/ledger/ledger_copy.h"

#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "share/ledger/shared_area.h"

namespace gpunode::share {
namespace {

Life nobody_ends(std::uint32_t /*pid*/, std::uint64_t /*start_time*/) {
  return Life::kRuns;
}

class CopiedLedger : public ::testing::Test {
 protected:
  std::vector<char> copied() const {
    return {area.ledger.data(), area.ledger.data() + area.ledger.size()};
  }
  Limits limits() const {
    Limits read;
    EXPECT_TRUE(Limits::view(area.limits.data(), area.limits.size(), &read));
    return read;
  }

  SharedArea area{1000, 2, 4};
};

TEST_F(CopiedLedger, SaysByKindWhatTheLivingHold) {
  Ledger one = area.view(nobody_ends);
  Ledger two = area.view(nobody_ends);
  ASSERT_TRUE(one.enroll({10, 1, 100}));
  ASSERT_TRUE(two.enroll({20, 1, 200}));
  EXPECT_EQ(one.reserve(1, MemoryKind::kData, 500), Verdict::kGranted);
  EXPECT_EQ(two.reserve(1, MemoryKind::kData, 100), Verdict::kGranted);
  EXPECT_EQ(two.reserve(1, MemoryKind::kContext, 200), Verdict::kGranted);
  EXPECT_EQ(two.reserve(1, MemoryKind::kContext, 201), Verdict::kRefused);
  const std::vector<char> bytes = copied();
  LedgerCopy copy;
  ASSERT_TRUE(LedgerCopy::view(bytes.data(), bytes.size(), 2, 4, &copy));
  DeviceUse use = copy.use_of(1, limits());
  EXPECT_EQ(use.held[0], 600u);
  EXPECT_EQ(use.held[static_cast<int>(MemoryKind::kContext)], 200u);
  EXPECT_EQ(use.total, 800u);
  EXPECT_EQ(use.peak, 800u);
  EXPECT_EQ(use.refusals, 1u);
  EXPECT_EQ(copy.use_of(0, limits()).total, 0u);
  SlotUse slot;
  EXPECT_TRUE(copy.read_slot(1, &slot));
  EXPECT_EQ(slot.owner.pid, 20u);
  EXPECT_EQ(slot.start_time, 200u);
  EXPECT_EQ(copy.held_by(1, 1), 300u);
  EXPECT_FALSE(copy.read_slot(2, &slot));

  area.gone(0) = kGone | one.generation();
  use = copy.use_of(1, limits());
  EXPECT_EQ(use.total, 300u);
}

TEST_F(CopiedLedger, WhatIsImportedIsToldAndNoPartOfSums) {
  Ledger one = area.view(nobody_ends);
  ASSERT_TRUE(one.enroll({10, 1, 100}));
  EXPECT_EQ(one.reserve(1, MemoryKind::kData, 300), Verdict::kGranted);
  EXPECT_TRUE(one.charge(1, MemoryKind::kImported, 5000));
  EXPECT_EQ(one.held(1), 300u);
  EXPECT_EQ(one.room(1), 700u);
  EXPECT_EQ(one.reserve(1, MemoryKind::kData, 700), Verdict::kGranted);
  Holder holder;
  std::uint32_t slot = 0;
  ASSERT_TRUE(one.next_holder(1, &slot, &holder));
  EXPECT_EQ(holder.bytes, 1000u);
  const std::vector<char> bytes = copied();
  LedgerCopy copy;
  ASSERT_TRUE(LedgerCopy::view(bytes.data(), bytes.size(), 2, 4, &copy));
  const DeviceUse use = copy.use_of(1, limits());
  EXPECT_EQ(use.imported(), 5000u);
  EXPECT_EQ(use.total, 1000u);
  EXPECT_EQ(use.peak, 1000u);
  EXPECT_EQ(copy.held_by(0, 1), 1000u);
  one.release(1, MemoryKind::kImported, 5000);
  const std::vector<char> after = copied();
  ASSERT_TRUE(LedgerCopy::view(after.data(), after.size(), 2, 4, &copy));
  EXPECT_EQ(copy.use_of(1, limits()).imported(), 0u);
}

TEST_F(CopiedLedger, OfAnotherSizeOrShapeIsRefused) {
  std::vector<char> bytes = copied();
  LedgerCopy copy;
  EXPECT_FALSE(LedgerCopy::view(bytes.data(), bytes.size() - 1, 2, 4, &copy));
  EXPECT_FALSE(LedgerCopy::view(bytes.data(), 0, 2, 4, &copy));
  EXPECT_FALSE(LedgerCopy::view(bytes.data(), bytes.size(), 2, 3, &copy));
  bytes.push_back(0);
  EXPECT_FALSE(LedgerCopy::view(bytes.data(), bytes.size(), 2, 4, &copy));
  bytes.pop_back();
  for (const std::size_t offset : {0u, 8u, 12u, 16u}) {
    bytes[offset] ^= 0x10;
    EXPECT_FALSE(LedgerCopy::view(bytes.data(), bytes.size(), 2, 4, &copy));
    bytes[offset] ^= 0x10;
  }
}

TEST_F(CopiedLedger, AnyContentHasAnAnswer) {
  std::mt19937 random(20261129);
  for (int round = 0; round < 200; ++round) {
    std::vector<char> bytes = copied();
    for (std::size_t at = sizeof(LedgerHeader); at < bytes.size(); ++at) {
      bytes[at] = static_cast<char>(round == 0 ? 0xFF : random());
    }
    // An odd begin: nothing may ask for an alignment.
    std::vector<char> moved(bytes.size() + 1);
    std::memcpy(moved.data() + 1, bytes.data(), bytes.size());
    LedgerCopy copy;
    ASSERT_TRUE(LedgerCopy::view(moved.data() + 1, bytes.size(), 2, 4, &copy));
    for (std::uint32_t device = 0; device < 2; ++device) {
      const DeviceUse use = copy.use_of(device, limits());
      for (std::size_t kind = 0; kind < kMemoryKinds; ++kind) {
        if (!is_of_sum(static_cast<MemoryKind>(kind))) continue;
        EXPECT_LE(use.held[kind], use.total);
      }
    }
  }
}

}  // namespace
}  // namespace gpunode::share
