#include "share/intercept/gate_keeper.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>

#include <pthread.h>

#include "share/intercept/kept_errno.h"
#include "share/intercept/loaded_symbol.h"

namespace gpunode::share {
namespace {

enum State : std::uint32_t { kNone, kStarting, kAwake, kResting };
constinit std::atomic<std::uint32_t> state = kNone;
constinit std::atomic<TendGates> the_tend = nullptr;

// The C library's, in libpthread before 2.34, which the driver needs, too.
using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*),
                       void*);
using Detach = int (*)(pthread_t);

void* find_function(const char* name) {
  void* const found = find_loaded_symbol("libpthread.so", name);
  return found != nullptr ? found : find_loaded_symbol("libc.so", name);
}

bool sleep_on(const GateWait& wait) {
  constexpr timespec kPause = {0, 250'000'000};
  return syscall(SYS_futex, wait.word, FUTEX_WAIT, wait.value, &kPause, nullptr,
                 0) == 0;
}

void* keep(void* /*nothing*/) {
  bool was_woken = false;
  for (;;) {
    const TendGates tend = the_tend.load(std::memory_order_acquire);
    GateWait wait = tend(was_woken);
    was_woken = false;
    if (wait.word == nullptr) {
      // Whoever shuts a gate from now on wakes it; who did just before is seen.
      state.store(kResting);
      wait = tend(false);
      if (wait.word == nullptr) {
        while (state.load() == kResting) {
          syscall(SYS_futex, &state, FUTEX_WAIT_PRIVATE, kResting, nullptr,
                  nullptr, 0);
        }
        continue;
      }
      state.store(kAwake);
    }
    was_woken = sleep_on(wait);
  }
  return nullptr;
}

bool start() {
  const auto create = reinterpret_cast<Create>(find_function("pthread_create"));
  const auto detach = reinterpret_cast<Detach>(find_function("pthread_detach"));
  if (create == nullptr || detach == nullptr) return false;
  // Signals are the program's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  constexpr std::size_t kKernelSetBytes = 8;
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before,
              kKernelSetBytes) != 0) {
    return false;
  }
  pthread_t thread = {};
  const bool is_there = create(&thread, nullptr, &keep, nullptr) == 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, kKernelSetBytes);
  if (is_there) detach(thread);
  return is_there;
}

}  // namespace

bool keep_gates(TendGates tend, void (*let_in)()) {
  std::uint32_t now = state.load();
  if (now == kAwake) return true;
  const Errno kept;
  the_tend.store(tend, std::memory_order_release);
  if (now == kResting && state.compare_exchange_strong(now, kAwake)) {
    syscall(SYS_futex, &state, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    return true;
  }
  if (now == kNone && state.compare_exchange_strong(now, kStarting)) {
    // Awake before it is there: it goes to rest by itself.
    state.store(kAwake);
    if (start()) return true;
    state.store(kNone);
    let_in();
    return false;
  }
  // Another thread has it started, and lets all in if it cannot.
  return now != kNone;
}

void forget_gate_keeper() {
  state.store(kNone, std::memory_order_relaxed);
}

}  // namespace gpunode::share
