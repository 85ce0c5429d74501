// A process of a container in its turns, as libgpunode-cuda.so makes it: for
// tests. Many may be of one real process.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "share/grants/grant_files.h"
#include "share/grants/grant_place.h"
#include "share/ledger/lane.h"
#include "share/ledger/ledger.h"

namespace gpunode::share {

/// Lets others run until `is_so()`.
template <typename Condition>
void await(Condition is_so) {
  while (!is_so()) ::sched_yield();
}

class LaneSide {
 public:
  /// Takes the next slot.
  LaneSide(const GrantFiles& files, const std::string& id)
      : fd_(::open(file_in(files.ledger_path(id)).c_str(), O_RDWR | O_CLOEXEC)),
        ledger_(map(fd_.get(), PROT_READ | PROT_WRITE)) {
    const UniqueFd fd(
        ::open(file_in(files.limits_path(id)).c_str(), O_RDONLY | O_CLOEXEC));
    const std::size_t ledger_size = size_;
    limits_ = map(fd.get(), PROT_READ);
    Limits limits;
    EXPECT_TRUE(Limits::view(limits_, size_, &limits));
    EXPECT_TRUE(Ledger::attach(ledger_, ledger_size, limits, &process_));
    // As one of another pid namespace: nobody here knows whether it lives.
    static std::uint32_t others = 0;
    ProcessIdentity identity = identity_of_this_process();
    identity.pid_namespace += ++others;
    EXPECT_TRUE(process_.enroll(identity));
    devices_ = limits.devices();
    slots_ = limits.slots();
    for (std::uint32_t at = 0; at < devices_; ++at) {
      lane(at).owner.store(Lane::kOwned | process_.generation());
    }
    SmallWord& used = header().used_slots;
    if (used.load() < process_.slot() + 1) used.store(process_.slot() + 1);
  }
  LaneSide(const LaneSide&) = delete;
  LaneSide& operator=(const LaneSide&) = delete;
  ~LaneSide() = default;  // The files stay mapped until the program ends.

  std::uint32_t slot() const { return process_.slot(); }
  LanesHeader& header() const {
    return *reinterpret_cast<LanesHeader*>(ledger_ +
                                           lanes_place(devices_, slots_));
  }
  Lane& lane(std::uint32_t device = 0) const {
    return *reinterpret_cast<Lane*>(
        ledger_ + lane_place(devices_, slots_, process_.slot(), device));
  }
  const DeviceLimit& limit(std::uint32_t device = 0) const {
    return limits_of(limits_)[device];
  }
  std::uint32_t word(std::uint32_t device = 0) const {
    return limit(device).turn.load();
  }
  bool is_open() const { return (word() & TurnWord::kClosed) == 0; }
  int fd() const { return fd_.get(); }

  void ring() const {
    const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
    const UniqueFd touched(::open(self.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_TRUE(touched);
  }
  void wait_for_turn() const {
    lane().waiting.fetch_add(1);
    ring();
    for (;;) {
      const std::uint32_t word = this->word();
      if ((word & TurnWord::kClosed) == 0) break;
      ::syscall(SYS_futex, &limit().turn, FUTEX_WAIT, word, nullptr, nullptr,
                0);
    }
    lane().waiting.fetch_sub(1);
  }

  /// Has the Device hold one more piece of work in a stream, until the process
  /// is let in.
  void hold_work(std::uint32_t at) const {
    Lane& held = lane();
    if (!is_shut(held.until[at], held.opened)) {
      held.gated[at] = held.asked[at].load();
      held.until[at] = held.opened.load() + 1;
    }
    ++held.asked[at];
    ++held.launches;
    ring();
  }
  bool holds(std::uint32_t at) const {
    return is_shut(lane().until[at], lane().opened);
  }
  /// As the process does it when its word opens.
  void let_in() const {
    if (is_open() && word() != 0) ++lane().opened;
  }

 private:
  char* map(int fd, int protection) {
    size_ = static_cast<std::size_t>(::lseek(fd, 0, SEEK_END));
    void* const bytes = ::mmap(nullptr, size_, protection, MAP_SHARED, fd, 0);
    EXPECT_NE(bytes, MAP_FAILED);
    return static_cast<char*>(bytes);
  }

  std::size_t size_ = 0;
  UniqueFd fd_;
  char* ledger_;
  char* limits_ = nullptr;
  Ledger process_;
  std::uint32_t devices_ = 0;
  std::uint32_t slots_ = 0;
};

}  // namespace gpunode::share
