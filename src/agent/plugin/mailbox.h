// Mailbox: values posted by one thread, taken by another's poll loop.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/core/mutex.h"
#include "base/core/unique_fd.h"

namespace gpunode::plugin {

/// Unbounded, first in first out. post() from any thread, take() from the
/// thread that polls fd(). Without an eventfd (descriptors exhausted) values
/// still arrive, at the poller's next turn.
template <class T>
class Mailbox {
 public:
  Mailbox() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  /// Readable while something waits to be taken.
  int fd() const { return event_.get(); }

  void post(T value) {
    {
      const MutexLock lock(mutex_);
      values_.push_back(std::move(value));
    }
    const std::uint64_t one = 1;
    // Fails only when the counter is full, that is, when it is readable.
    static_cast<void>(!::write(event_.get(), &one, sizeof one));
  }

  std::vector<T> take() {
    std::uint64_t count = 0;
    static_cast<void>(!::read(event_.get(), &count, sizeof count));
    const MutexLock lock(mutex_);
    return std::exchange(values_, {});
  }

 private:
  UniqueFd event_;
  Mutex mutex_;
  std::vector<T> values_ GUARDED_BY(mutex_);
};

}  // namespace gpunode::plugin
