// The files of one grant, opened as what they are: the node's own, and one that
// a container writes to.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "share/grants/grant.h"
#include "share/ledger/limits.h"

namespace gpunode::share {

/// An engine that starts a container again after a reboot, before the agent,
/// makes a directory of a file that isn't there, and mounts that. The container
/// sees what is put into it: the file has its own name there.
std::string file_in(const std::string& place);

/// A mapping of a whole file.
class Mapped {
 public:
  Mapped(void* bytes, std::size_t size) : bytes_(bytes), size_(size) {}
  Mapped(Mapped&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(other.size_) {}
  Mapped& operator=(Mapped&&) = delete;
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    if (bytes_ != nullptr) ::munmap(bytes_, size_);
  }
  void* bytes() const { return bytes_; }
  std::size_t size() const { return size_; }

 private:
  void* bytes_;
  std::size_t size_;
};

Result<Mapped> map(const std::string& path, int fd, std::size_t size,
                   bool is_writable = true);

DeviceLimit* limits_of(void* file);
/// What the node wrote of the Device's time.
TimePart time_part_of(const DeviceLimit& limit);
/// And of who goes first.
TurnPriority priority_of(std::uint64_t word);
std::uint64_t word_of(TurnPriority priority);

/// A file of the node's own, mapped for changes in place, and checked.
struct OpenLimits {
  Mapped file;
  Limits view;
  std::uint64_t file_number = 0;  ///< Of its inode.

  DeviceLimit* find(const std::string& uuid) const {
    for (std::uint32_t at = 0; at < view.devices(); ++at) {
      if (uuid == view.uuid(at)) return &limits_of(file.bytes())[at];
    }
    return nullptr;
  }
};

enum class Access { kRead, kChange };

Result<OpenLimits> open_limits(const std::string& path, Access access);

/// A file that a container may have replaced: nothing but a file is opened, and
/// for reading alone: who writes to it can be kept waiting by its container.
Result<UniqueFd> open_hostile(const std::string& path);

}  // namespace gpunode::share
