// Ending a call that waits, from another thread.
#pragma once

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::http {

/// Handed to blocking calls by one thread and raised by another, once and for
/// good: every call that has it returns soon with kUnavailable. Must outlive
/// the calls that have it.
class Cancellation {
 public:
  /// Fails when the process is out of descriptors.
  static Result<Cancellation> make();

  /// Any thread; signal handlers too.
  void cancel() const;

  bool is_cancelled() const;

  /// Readable from cancel() on.
  int fd() const { return event_.get(); }

 private:
  explicit Cancellation(UniqueFd event) : event_(std::move(event)) {}

  UniqueFd event_;
};

}  // namespace gpunode::http
