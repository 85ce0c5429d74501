// A grant's two files as the node and as the container's processes have them:
// what the one says of turns, and what the others say of their work.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "share/ledger/lane.h"
#include "share/ledger/limits.h"

namespace gpunode::share {

/// Lets others run until `is_so()`. A program that hangs is ended by who
/// started it.
template <typename Condition>
void await(Condition is_so) {
  while (!is_so()) sched_yield();
}

/// Of the first Device. Mapped until the program ends.
class TurnSide {
 public:
  explicit TurnSide(const std::string& directory)
      : limits_(map(directory + "/limits")),
        ledger_path_(directory + "/ledger"),
        ledger_(map(ledger_path_)) {
    const auto* header = reinterpret_cast<const LimitsHeader*>(limits_);
    devices_ = header->devices;
    slots_ = header->slots;
  }

  DeviceLimit& limit() const {
    return *reinterpret_cast<DeviceLimit*>(limits_ + sizeof(LimitsHeader));
  }
  Lane& lane(std::uint32_t slot) const {
    return *reinterpret_cast<Lane*>(ledger_ +
                                    lane_place(devices_, slots_, slot, 0));
  }
  LanesHeader& lanes() const {
    return *reinterpret_cast<LanesHeader*>(ledger_ +
                                           lanes_place(devices_, slots_));
  }

  const std::string& ledger_path() const { return ledger_path_; }

  /// As the node says it.
  void say(std::uint32_t word) const {
    limit().turn.store(word);
    syscall(SYS_futex, &limit().turn, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

 private:
  static char* map(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) std::abort();
    const off_t size = lseek(fd, 0, SEEK_END);
    void* const bytes = mmap(nullptr, static_cast<std::size_t>(size),
                             PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) std::abort();
    return static_cast<char*>(bytes);
  }

  char* limits_;
  std::string ledger_path_;
  char* ledger_;
  std::uint32_t devices_ = 0;
  std::uint32_t slots_ = 0;
};

}  // namespace gpunode::share
