#include "share/grants/grant_place.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace gpunode::share {

std::string file_in(const std::string& place) {
  struct stat status {};
  const bool is_directory =
      ::lstat(place.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  return is_directory ? place + place.substr(place.rfind('/')) : place;
}

Result<Mapped> map(const std::string& path, int fd, std::size_t size,
                   bool is_writable) {
  void* const bytes =
      ::mmap(nullptr, size, is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
             MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) return Error::from_errno("map " + path, errno);
  return Mapped(bytes, size);
}

DeviceLimit* limits_of(void* file) {
  return reinterpret_cast<DeviceLimit*>(static_cast<char*>(file) +
                                        sizeof(LimitsHeader));
}

TimePart time_part_of(const DeviceLimit& limit) {
  TimePart time;
  time.thousandths = std::min<std::uint32_t>(limit.part.load(), 1000);
  switch (limit.policy.load()) {
    case static_cast<std::uint32_t>(TurnPolicy::kBurst):
      time.policy = TurnPolicy::kBurst;
      break;
    case static_cast<std::uint32_t>(TurnPolicy::kHard):
      time.policy = TurnPolicy::kHard;
      break;
    default:
      break;
  }
  return time;
}

TurnPriority priority_of(std::uint64_t word) {
  constexpr unsigned kHalf = 32;
  TurnPriority priority;
  switch (word >> kHalf) {
    case static_cast<std::uint64_t>(PrioritySource::kPod):
      priority.source = PrioritySource::kPod;
      break;
    case static_cast<std::uint64_t>(PrioritySource::kHand):
      priority.source = PrioritySource::kHand;
      break;
    default:
      return priority;
  }
  priority.value = static_cast<std::int32_t>(static_cast<std::uint32_t>(word));
  return priority;
}

std::uint64_t word_of(TurnPriority priority) {
  constexpr unsigned kHalf = 32;
  if (priority.source == PrioritySource::kNobody) return 0;
  return static_cast<std::uint64_t>(priority.source) << kHalf |
         static_cast<std::uint32_t>(priority.value);
}

Result<OpenLimits> open_limits(const std::string& path, Access access) {
  const bool changes = access == Access::kChange;
  const UniqueFd fd(::open(path.c_str(), (changes ? O_RDWR : O_RDONLY) |
                                             O_NOFOLLOW | O_CLOEXEC |
                                             O_NONBLOCK));
  if (!fd && errno == EISDIR) {
    return Error(ErrorCode::kCorrupt, path + " is a directory");
  }
  if (!fd) return Error::from_errno("open " + path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno("look at " + path, errno);
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < sizeof(LimitsHeader) ||
      size > limits_size(kMostDevices, kMostSlots)) {
    return Error(ErrorCode::kCorrupt, path + " is no file of limits");
  }
  TRY(Mapped file, map(path, fd.get(), size, changes));
  Limits view;
  if (!Limits::view(file.bytes(), size, &view)) {
    return Error(ErrorCode::kCorrupt,
                 path + " is no file of limits of this version");
  }
  return OpenLimits{std::move(file), view, status.st_ino};
}

Result<UniqueFd> open_hostile(const std::string& path) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!place) return Error::from_errno("open " + path, errno);
  struct stat status {};
  if (::fstat(place.get(), &status) != 0) {
    return Error::from_errno("look at " + path, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kCorrupt, path + " is no file");
  }
  const std::string self = fmt::format("/proc/self/fd/{}", place.get());
  UniqueFd fd(::open(self.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return Error::from_errno("open " + path, errno);
  return fd;
}

}  // namespace gpunode::share
