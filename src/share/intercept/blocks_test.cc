#include "share/intercept/blocks.h"

#include <map>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

TEST(Blocks, GiveBackWhatWasPutOnce) {
  Blocks blocks;
  Block block;
  EXPECT_FALSE(blocks.take(5, &block));
  EXPECT_FALSE(blocks.take(0, &block));
  Block replaced;
  EXPECT_TRUE(blocks.put(5, {100, 2, MemoryKind::kArray}, &replaced));
  EXPECT_EQ(replaced.bytes, 0u);
  ASSERT_TRUE(blocks.take(5, &block));
  EXPECT_EQ(block.bytes, 100u);
  EXPECT_EQ(block.device, 2u);
  EXPECT_EQ(block.kind, MemoryKind::kArray);
  EXPECT_FALSE(blocks.take(5, &block));
  blocks.put(7, {1, 0, MemoryKind::kData}, &replaced);
  blocks.put(7, {2, 0, MemoryKind::kData}, &replaced);
  EXPECT_EQ(replaced.bytes, 1u);
  blocks.forget();
  EXPECT_FALSE(blocks.take(7, &block));
}

TEST(Blocks, AreThoseOfAMapWhateverIsPutAndTaken) {
  std::mt19937_64 random(64);
  Blocks blocks;
  std::map<std::uint64_t, std::uint64_t> expected;
  for (int round = 0; round < 200'000; ++round) {
    // Addresses as drivers give them: neighbours, so that chains form and
    // break.
    const std::uint64_t key = 0x7F0000000000 + (random() % 20'000) * 512;
    if (random() % 2 == 0) {
      const std::uint64_t bytes = 1 + random() % 1000;
      Block replaced;
      ASSERT_TRUE(blocks.put(key, {bytes, 0, MemoryKind::kData}, &replaced));
      ASSERT_EQ(replaced.bytes, expected[key]);
      expected[key] = bytes;
      continue;
    }
    Block block;
    const auto found = expected.find(key);
    ASSERT_EQ(blocks.take(key, &block), found != expected.end());
    if (found == expected.end()) continue;
    ASSERT_EQ(block.bytes, found->second);
    expected.erase(found);
  }
  for (const auto& [key, bytes] : expected) {
    Block block;
    ASSERT_TRUE(blocks.take(key, &block));
    ASSERT_EQ(block.bytes, bytes);
  }
}

TEST(Blocks, OfOneOwnerGoTogether) {
  static std::uint64_t dropped = 0;
  dropped = 0;
  const auto see = [](const Block& block) { dropped += block.bytes; };
  Blocks blocks;
  constexpr std::uint64_t kEach = 20'000;
  for (std::uint64_t at = 1; at <= 3 * kEach; ++at) {
    Block replaced;
    blocks.put(at * 512, {1, 0, MemoryKind::kData, 0, at % 3}, &replaced);
  }
  blocks.give_over(1, 7);
  blocks.drop(1, see);
  EXPECT_EQ(dropped, 0u);
  blocks.drop(7, see);
  EXPECT_EQ(dropped, kEach);
  blocks.drop(7, see);
  EXPECT_EQ(dropped, kEach);
  for (std::uint64_t at = 1; at <= 3 * kEach; ++at) {
    Block block;
    ASSERT_EQ(blocks.take(at * 512, &block), at % 3 != 1) << at;
  }
}

TEST(Blocks, OfManyThreadsStayApart) {
  Blocks blocks;
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (std::uint64_t number = 1; number <= 8; ++number) {
    threads.emplace_back([&, number] {
      for (std::uint64_t at = 0; at < 2000; ++at) {
        Block replaced;
        blocks.put(number << 32 | at * 512, {number, 0, MemoryKind::kData},
                   &replaced);
      }
      for (std::uint64_t at = 0; at < 2000; ++at) {
        Block block;
        if (!blocks.take(number << 32 | at * 512, &block) ||
            block.bytes != number) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace gpunode::share
