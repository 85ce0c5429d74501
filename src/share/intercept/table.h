// A map from keys that are not 0, without the C++ library.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace gpunode::share {

/// Handles and addresses differ in their middle bits: 512 B to many MiB apart.
constexpr std::uint64_t scattered(std::uint64_t key) {
  key ^= key >> 32;
  key *= 0x9E3779B97F4A7C15;
  return key ^ key >> 29;
}

/// For one thread at a time. Open addressing; memory is from mmap, and none
/// before the first entry. `Value` is plain: zeros are a value of it.
template <typename Value>
class Table {
 public:
  constexpr Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() = default;  // Lives as long as the process.

  /// Null if there is none. Good until the next put() or erase().
  Value* find(std::uint64_t key) {
    if (capacity_ == 0 || key == 0) return nullptr;
    const std::size_t at = place_of(key);
    return entries_[at].key == 0 ? nullptr : &entries_[at].value;
  }

  /// The value of `key`, of zeros if it is new; null if there is no memory.
  Value* put(std::uint64_t key) {
    if (key == 0) return nullptr;
    if (4 * (used_ + 1) > 3 * capacity_ && !grow()) return nullptr;
    Entry& entry = entries_[place_of(key)];
    if (entry.key == 0) {
      entry = {key, {}};
      ++used_;
    }
    return &entry.value;
  }

  void erase(std::uint64_t key) {
    if (capacity_ == 0 || key == 0) return;
    const std::size_t mask = capacity_ - 1;
    std::size_t hole = place_of(key);
    if (entries_[hole].key == 0) return;
    // Those behind it that would have stood here move up.
    for (std::size_t at = (hole + 1) & mask; entries_[at].key != 0;
         at = (at + 1) & mask) {
      const std::size_t home = home_of(entries_[at].key);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole] = {};
    --used_;
  }

  /// `see(key, &value)` for each; it must not put or erase.
  template <typename See>
  void for_each(See see) {
    for (std::size_t at = 0; at < capacity_; ++at) {
      if (entries_[at].key != 0) see(entries_[at].key, &entries_[at].value);
    }
  }

  /// Those of which `is_to_go(value)`.
  template <typename IsToGo>
  void erase_if(IsToGo is_to_go) {
    for (std::size_t at = 0; at < capacity_;) {
      // What moves up to here is looked at next. It comes from behind, or, past
      // the end, from what was looked at.
      if (entries_[at].key != 0 && is_to_go(entries_[at].value)) {
        erase(entries_[at].key);
      } else {
        ++at;
      }
    }
  }

  /// In the child of a fork: a thread of the parent may have been changing it,
  /// so the memory is left where it is.
  void forget() {
    entries_ = nullptr;
    capacity_ = 0;
    used_ = 0;
  }

 private:
  struct Entry {
    std::uint64_t key;
    Value value;
  };
  // NOLINTNEXTLINE(bugprone-dynamic-static-initializers): it is constexpr.
  static constexpr std::size_t kFirstCapacity = 256;

  std::size_t home_of(std::uint64_t key) const {
    constexpr int kOfShards = 6;  // Bits that chose the shard of Blocks.
    return scattered(key) >> kOfShards & (capacity_ - 1);
  }
  /// Where `key` is, or the free place where it would be.
  std::size_t place_of(std::uint64_t key) const {
    std::size_t at = home_of(key);
    while (entries_[at].key != 0 && entries_[at].key != key) {
      at = (at + 1) & (capacity_ - 1);
    }
    return at;
  }
  bool grow() {
    const std::size_t capacity =
        capacity_ == 0 ? kFirstCapacity : 2 * capacity_;
    void* memory =
        mmap(nullptr, capacity * sizeof(Entry), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    Entry* old = entries_;
    const std::size_t old_capacity = capacity_;
    entries_ = static_cast<Entry*>(memory);
    capacity_ = capacity;
    for (std::size_t at = 0; at < old_capacity; ++at) {
      if (old[at].key != 0) entries_[place_of(old[at].key)] = old[at];
    }
    if (old_capacity != 0) munmap(old, old_capacity * sizeof(Entry));
    return true;
  }

  Entry* entries_ = nullptr;
  std::size_t capacity_ = 0;  ///< A power of two, or 0.
  std::size_t used_ = 0;
};

}  // namespace gpunode::share
