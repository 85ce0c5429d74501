#include "share/intercept/blocks.h"

#include <sched.h>
#include <sys/mman.h>

namespace gpunode::share {
namespace {

constexpr std::size_t kFirstCapacity = 256;

}  // namespace

/// One thread at a time has a shard.
class Blocks::Turn {
 public:
  explicit Turn(Shard& shard) : shard_(shard) {
    while (shard.is_busy.exchange(true, std::memory_order_acquire)) {
      sched_yield();
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { shard_.is_busy.store(false, std::memory_order_release); }

 private:
  Shard& shard_;
};

std::uint64_t Blocks::scattered(std::uint64_t key) {
  // Addresses differ in their middle bits: 512 B to many MiB apart.
  key ^= key >> 32;
  key *= 0x9E3779B97F4A7C15;
  return key ^ key >> 29;
}

bool Blocks::grow(Shard* shard) {
  const std::size_t capacity =
      shard->capacity == 0 ? kFirstCapacity : 2 * shard->capacity;
  void* memory = mmap(nullptr, capacity * sizeof(Entry), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  const Shard old = {false, shard->entries, shard->capacity, shard->used};
  shard->entries = static_cast<Entry*>(memory);
  shard->capacity = capacity;
  shard->used = 0;
  for (std::size_t at = 0; at < old.capacity; ++at) {
    if (old.entries[at].key != 0) insert(shard, old.entries[at]);
  }
  if (old.capacity != 0) munmap(old.entries, old.capacity * sizeof(Entry));
  return true;
}

Block Blocks::insert(Shard* shard, const Entry& entry) {
  const std::size_t mask = shard->capacity - 1;
  std::size_t at = scattered(entry.key) / kShards & mask;
  while (shard->entries[at].key != 0 && shard->entries[at].key != entry.key) {
    at = (at + 1) & mask;
  }
  const Entry before = shard->entries[at];
  if (before.key == 0) ++shard->used;
  shard->entries[at] = entry;
  return before.block;
}

bool Blocks::put(std::uint64_t key, const Block& block, Block* replaced) {
  *replaced = {};
  Shard& shard = shards_[scattered(key) % kShards];
  const Turn turn(shard);
  const bool is_full = 4 * (shard.used + 1) > 3 * shard.capacity;
  if (is_full && !grow(&shard)) return false;
  *replaced = insert(&shard, {key, block});
  return true;
}

bool Blocks::take(std::uint64_t key, Block* block) {
  Shard& shard = shards_[scattered(key) % kShards];
  const Turn turn(shard);
  if (shard.capacity == 0 || key == 0) return false;
  const std::size_t mask = shard.capacity - 1;
  std::size_t hole = scattered(key) / kShards & mask;
  while (shard.entries[hole].key != key) {
    if (shard.entries[hole].key == 0) return false;
    hole = (hole + 1) & mask;
  }
  *block = shard.entries[hole].block;
  // Those behind it that would have stood here move up.
  for (std::size_t at = (hole + 1) & mask; shard.entries[at].key != 0;
       at = (at + 1) & mask) {
    const std::size_t home = scattered(shard.entries[at].key) / kShards & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    shard.entries[hole] = shard.entries[at];
    hole = at;
  }
  shard.entries[hole] = {};
  --shard.used;
  return true;
}

void Blocks::forget() {
  for (Shard& shard : shards_) {
    // A thread of the parent may have been changing it: left where it is.
    shard.entries = nullptr;
    shard.capacity = 0;
    shard.used = 0;
    shard.is_busy.store(false, std::memory_order_relaxed);
  }
}

}  // namespace gpunode::share
