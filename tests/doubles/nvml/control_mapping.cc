#include "tests/doubles/nvml/control_mapping.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

#include "base/core/unique_fd.h"

namespace gpunode::fake_nvml {

Result<ControlRegion*> map_control(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file) return Error::from_errno("open " + path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) {
    return Error::from_errno("stat " + path, errno);
  }
  // Growing twice, by two openers at once, adds the same zeros.
  if (info.st_size < static_cast<off_t>(sizeof(ControlRegion)) &&
      ::ftruncate(file.get(), sizeof(ControlRegion)) != 0) {
    return Error::from_errno("grow " + path, errno);
  }
  void* memory = ::mmap(nullptr, sizeof(ControlRegion), PROT_READ | PROT_WRITE,
                        MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return Error::from_errno("map " + path, errno);
  auto* region = static_cast<ControlRegion*>(memory);
  std::uint32_t magic = 0;
  if (!region->magic.compare_exchange_strong(magic, kControlMagic) &&
      magic != kControlMagic) {
    ::munmap(memory, sizeof(ControlRegion));
    return Error(ErrorCode::kCorrupt,
                 "map " + path + ": not a control file of this build");
  }
  return region;
}

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                Deadline deadline) {
  timespec until{};
  if (deadline) {
    const auto since = deadline->time_since_epoch();
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(since);
    until.tv_sec = seconds.count();
    until.tv_nsec = static_cast<long>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds)
            .count());
  }
  // WAIT_BITSET: its time is absolute, on CLOCK_MONOTONIC.
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, value,
            deadline ? &until : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_raise(std::atomic<std::uint32_t>& word) {
  word.fetch_add(1);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace gpunode::fake_nvml
