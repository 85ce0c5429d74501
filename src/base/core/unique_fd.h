// The owner of one file descriptor.
#pragma once

#include <unistd.h>

#include <utility>

namespace gpunode {

/// Closes its descriptor when destroyed or assigned over. -1 means none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  /// Gives the descriptor up; the caller closes it.
  int release() { return std::exchange(fd_, -1); }

  /// Closes what is held and takes `fd`. close(2) is not retried on EINTR:
  /// on Linux the descriptor is gone either way.
  void reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0 && old != fd) ::close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace gpunode
