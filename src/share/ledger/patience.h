// Waiting for another thread's few instructions.
#pragma once

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace gpunode::share {

/// Lets others run, and after many turns sleeps between them: under SCHED_FIFO
/// a thread that only yields may keep the one that it waits for from ever
/// running. errno stays as it was.
class Patience {
 public:
  void wait() {
    constexpr int kTurns = 100;
    if (turns_ < kTurns) {
      ++turns_;
      sched_yield();
      return;
    }
    const int before = errno;
    // Not libc's nanosleep: a thread could be cancelled in it.
    const timespec pause = {0, 50'000};
    syscall(SYS_nanosleep, &pause, nullptr);
    errno = before;
  }

 private:
  int turns_ = 0;
};

}  // namespace gpunode::share
