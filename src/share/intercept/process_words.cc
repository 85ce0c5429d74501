#include "share/intercept/process_words.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "share/intercept/kept_errno.h"
#include "share/ledger/patience.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

namespace gpunode::share {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::uint32_t kNobody = 0;  // The kernel empties the page.
constexpr std::uint32_t kBeingEmptied = ~std::uint32_t{0};

std::atomic<ProcessWords*> the_words = nullptr;

/// Not getpid: glibc before 2.25 remembers the parent's after a raw clone.
std::uint32_t pid() {
  return static_cast<std::uint32_t>(syscall(SYS_getpid));
}

}  // namespace

ProcessWords* make_process_words(Wiping wiping) {
  void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  auto* words = static_cast<ProcessWords*>(page);
  if (wiping == Wiping::kByOwner ||
      madvise(page, kPageBytes, MADV_WIPEONFORK) != 0) {
    words->owner.store(pid(), std::memory_order_relaxed);
  }
  return words;
}

ProcessWords* own(ProcessWords* words) {
  std::uint32_t owner = words->owner.load(std::memory_order_acquire);
  if (owner == kNobody) return words;
  const std::uint32_t self = pid();
  Patience patience;
  while (owner != self) {
    if (owner != kBeingEmptied &&
        words->owner.compare_exchange_strong(owner, kBeingEmptied)) {
      words->opening.store(0);
      words->slot.store(0);
      words->owner.store(self, std::memory_order_release);
      return words;
    }
    patience.wait();
    owner = words->owner.load(std::memory_order_acquire);
  }
  return words;
}

ProcessWords* process_words() {
  ProcessWords* words = the_words.load(std::memory_order_acquire);
  if (words == nullptr) {
    const Errno kept;
    ProcessWords* made = make_process_words(Wiping::kByKernel);
    if (made == nullptr) return nullptr;
    if (the_words.compare_exchange_strong(words, made)) {
      words = made;
    } else {
      munmap(made, kPageBytes);  // Another thread was faster.
    }
  }
  return own(words);
}

}  // namespace gpunode::share
