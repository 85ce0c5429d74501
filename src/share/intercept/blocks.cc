#include "share/intercept/blocks.h"

#include "share/intercept/turn.h"

namespace gpunode::share {

bool Blocks::put(std::uint64_t key, const Block& block, Block* replaced) {
  *replaced = {};
  Shard& shard = shard_of(key);
  const Turn turn(shard.is_busy);
  Block* kept = shard.blocks.put(key);
  if (kept == nullptr) return false;
  *replaced = *kept;
  *kept = block;
  return true;
}

bool Blocks::take(std::uint64_t key, Block* block) {
  Shard& shard = shard_of(key);
  const Turn turn(shard.is_busy);
  const Block* kept = shard.blocks.find(key);
  if (kept == nullptr) return false;
  *block = *kept;
  shard.blocks.erase(key);
  return true;
}

void Blocks::give_over(std::uint64_t from, std::uint64_t to) {
  for (Shard& shard : shards_) {
    const Turn turn(shard.is_busy);
    shard.blocks.for_each([from, to](std::uint64_t /*key*/, Block* block) {
      if (block->owner == from) block->owner = to;
    });
  }
}

void Blocks::drop(std::uint64_t owner, See see) {
  for (Shard& shard : shards_) {
    const Turn turn(shard.is_busy);
    shard.blocks.erase_if([owner, see](const Block& block) {
      if (block.owner != owner) return false;
      see(block);
      return true;
    });
  }
}

void Blocks::forget() {
  for (Shard& shard : shards_) {
    shard.blocks.forget();
    shard.is_busy.store(false, std::memory_order_relaxed);
  }
}

}  // namespace gpunode::share
