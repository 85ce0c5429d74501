// The tables that are known begin with a word that says how many bytes they
// have. Others do not, so a table is believed as far as it can be read and no
// further. A copy is never freed: who has asked for a table keeps it.
#include "share/intercept/export_table.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "share/intercept/driver.h"
#include "share/intercept/kept_errno.h"

namespace gpunode::share {
namespace {

using Entry = std::atomic<void*>;
static_assert(sizeof(Entry) == sizeof(void*) && Entry::is_always_lock_free);

constexpr std::size_t kMostBytes = 16384;

/// In memory of its own, its entries behind it.
struct Copy {
  Copy* next;
  const void* table;
  std::size_t bytes;

  Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
};

/// Only added to, so that a fork leaves it whole in the child.
std::atomic<Copy*> copies = nullptr;

/// The kernel reads a mask of signals before it looks what is to be done with
/// it, which is nothing that there is. Unlike other ways to ask, no filter of
/// system calls forbids it, and no file is needed.
bool is_word_readable(std::uintptr_t address) {
  constexpr int kNothingThereIs = ~0;
  return syscall(SYS_rt_sigprocmask, kNothingThereIs, address, nullptr,
                 sizeof(std::uint64_t)) != 0 &&
         errno == EINVAL;
}

bool is_readable(const void* table, std::size_t bytes) {
  constexpr std::uintptr_t kSmallestPage = 4096;
  const Errno kept;
  const auto begin = reinterpret_cast<std::uintptr_t>(table);
  const std::uintptr_t last = begin + bytes - sizeof(void*);
  for (std::uintptr_t at = begin; at < last; at += kSmallestPage) {
    if (!is_word_readable(at)) return false;
  }
  return is_word_readable(last);
}

/// 0: it doesn't say, as far as can be told.
std::size_t bytes_of(const void* table) {
  const auto address = reinterpret_cast<std::uintptr_t>(table);
  if (address % alignof(void*) != 0 || !is_readable(table, sizeof(void*))) {
    return 0;
  }
  const std::size_t bytes = *static_cast<const std::size_t*>(table);
  const bool is_plausible = bytes >= 2 * sizeof(void*) && bytes <= kMostBytes &&
                            bytes % sizeof(void*) == 0;
  return is_plausible && is_readable(table, bytes) ? bytes : 0;
}

void* entry_of(const void* table, std::size_t at) {
  return static_cast<const Entry*>(table)[at].load(std::memory_order_relaxed);
}

bool has_ours(const void* table, std::size_t entries) {
  for (std::size_t at = 1; at < entries; ++at) {
    void* entry = entry_of(table, at);
    if (replaced(entry) != entry) return true;
  }
  return false;
}

Copy* find(const void* table, std::size_t bytes) {
  Copy* copy = copies.load(std::memory_order_acquire);
  while (copy != nullptr && (copy->table != table || copy->bytes != bytes)) {
    copy = copy->next;
  }
  return copy;
}

/// As the table is now: the driver may have filled it since, or may be another
/// that was loaded to the same place.
void fill(Copy* copy) {
  for (std::size_t at = 0; at < copy->bytes / sizeof(void*); ++at) {
    void* entry = entry_of(copy->table, at);
    copy->entries()[at].store(at == 0 ? entry : replaced(entry),
                              std::memory_order_relaxed);
  }
}

Copy* make(const void* table, std::size_t bytes) {
  const Errno kept;
  void* memory = mmap(nullptr, sizeof(Copy) + bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* made = static_cast<Copy*>(memory);
  made->table = table;
  made->bytes = bytes;
  fill(made);
  Copy* first = copies.load(std::memory_order_acquire);
  do {
    Copy* others = find(table, bytes);
    if (others != nullptr) {
      munmap(memory, sizeof(Copy) + bytes);  // Another thread was faster.
      return others;
    }
    made->next = first;
  } while (!copies.compare_exchange_weak(first, made, std::memory_order_release,
                                         std::memory_order_acquire));
  return made;
}

}  // namespace

const void* replaced_table(const void* table) {
  const std::size_t bytes = table == nullptr ? 0 : bytes_of(table);
  if (bytes == 0) return table;
  Copy* copy = find(table, bytes);
  if (copy != nullptr) {
    fill(copy);
    return copy->entries();
  }
  if (!has_ours(table, bytes / sizeof(void*))) return table;
  copy = make(table, bytes);
  return copy == nullptr ? nullptr : copy->entries();
}

}  // namespace gpunode::share
