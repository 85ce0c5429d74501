#include "tests/doubles/cuda/memory.h"

#include <bit>
#include <cstring>

#include <gtest/gtest.h>

#include "tests/doubles/cuda/context.h"

namespace gpunode::fake_cuda {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

Memory::Request request(std::uint64_t bytes, const Context* owner = nullptr,
                        Allocation::Kind kind = Allocation::Kind::kDevice) {
  return {bytes, kind, owner, 0};
}

TEST(MemoryLedger, ChargesLargeRequestsInWholeBlocks) {
  Memory memory;
  memory.allocate(request(2 * kMiB));
  EXPECT_EQ(memory.used_bytes(0), 2 * kMiB);
  memory.allocate(request(2 * kMiB + 1));
  EXPECT_EQ(memory.used_bytes(0), 6 * kMiB);
  memory.allocate(request(33 * kMiB));
  EXPECT_EQ(memory.used_bytes(0), 40 * kMiB);
  EXPECT_EQ(memory.used_bytes(1), 0U);
}

TEST(MemoryLedger, SmallRequestsShareABlock) {
  Memory memory;
  for (int i = 0; i < 4096; ++i) memory.allocate(request(1));
  EXPECT_EQ(memory.used_bytes(0), 2 * kMiB);
  EXPECT_EQ(memory.used_bytes_with(0, 1), 4 * kMiB);
}

TEST(MemoryLedger, HostMemoryTakesNothingFromTheDevice) {
  Memory memory;
  memory.allocate(request(8 * kMiB, nullptr, Allocation::Kind::kHost));
  EXPECT_EQ(memory.used_bytes(0), 0U);
}

TEST(MemoryLedger, GivesBackWhatAContextHeld) {
  Memory memory;
  const Context one;
  const Context two;
  memory.allocate(request(4 * kMiB, &one));
  const std::uint64_t kept = memory.allocate(request(4 * kMiB, &two))->address;
  memory.release_all(&one);
  EXPECT_EQ(memory.used_bytes(0), 4 * kMiB);
  EXPECT_NE(memory.find(kept, 4 * kMiB), nullptr);
  EXPECT_TRUE(memory.release(kept));
  EXPECT_FALSE(memory.release(kept));
  EXPECT_EQ(memory.used_bytes(0), 0U);
}

TEST(MemoryLedger, FindsOnlyWhatLiesInOneAllocation) {
  Memory memory;
  const Allocation* made = memory.allocate(request(4096));
  EXPECT_EQ(memory.find(made->address + 4000, 96), made);
  EXPECT_EQ(memory.find(made->address + 4000, 97), nullptr);
  EXPECT_EQ(memory.find(made->address - 1, 1), nullptr);
  EXPECT_EQ(memory.find(made->address, UINT64_MAX), nullptr);
  EXPECT_EQ(memory.find(0, 1), nullptr);
}

TEST(MemoryLedgerDeathTest, TheHostCannotReadADeviceAddress) {
  Memory memory;
  const Allocation* made = memory.allocate(request(4096));
  const auto* address = std::bit_cast<volatile const char*>(made->address);
  EXPECT_DEATH({ static_cast<void>(*address); }, "");
}

}  // namespace
}  // namespace gpunode::fake_cuda
