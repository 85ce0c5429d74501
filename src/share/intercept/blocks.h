// What the process has taken, by address or handle: what a free gives back.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "share/intercept/table.h"
#include "share/ledger/memory_kind.h"

namespace gpunode::share {

struct Block {
  std::uint64_t bytes = 0;
  std::uint32_t device = 0;  ///< As the limits number it.
  MemoryKind kind = MemoryKind::kData;
  std::uint16_t more = 0;   ///< Of kImported: opened once more, so often.
  std::uint64_t owner = 0;  ///< The context that it ends with; 0: none.
};

/// A map from keys that are not 0 to blocks, for any number of threads. Finding
/// one costs the same however many there are. Memory is from mmap, and none
/// before the first block.
class Blocks {
 public:
  constexpr Blocks() = default;
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  ~Blocks() = default;  // Lives as long as the process.

  /// False if there is no memory for it. A block of the same key is replaced,
  /// and given back: `replaced` is of 0 bytes if there was none.
  bool put(std::uint64_t key, const Block& block, Block* replaced);
  /// False if there is none.
  bool take(std::uint64_t key, Block* block);
  /// Those that end with one owner end with another from now on.
  void give_over(std::uint64_t from, std::uint64_t to);
  /// Takes all of an owner's; `see(block)` for each.
  using See = void (*)(const Block& block);
  void drop(std::uint64_t owner, See see);
  /// In the child of a fork, which has none of its parent's: whatever thread of
  /// the parent was in the midst of what.
  void forget();

 private:
  struct Shard {
    std::atomic<bool> is_busy = false;
    Table<Block> blocks;
  };
  static constexpr std::size_t kShards = 64;

  Shard& shard_of(std::uint64_t key) {
    return shards_[scattered(key) % kShards];
  }

  std::array<Shard, kShards> shards_;
};

}  // namespace gpunode::share
