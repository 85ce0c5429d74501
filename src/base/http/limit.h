// How long a blocking call may wait, and for whom.
#pragma once

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/http/cancellation.h"

namespace gpunode::http {

/// A point in time and a way to be called off before it.
struct Limit {
  TimePoint deadline;
  Duration allowed{};  ///< What was left at first; for messages.
  const Cancellation* cancellation = nullptr;  ///< May be none.

  static Limit after(Duration allowed, const Cancellation* cancellation);

  Duration left() const;

  /// Fails, as wait_ready does, if there is nothing more to wait for.
  Result<void> check() const;

  /// kUnavailable: "no answer within 10 s".
  Error timed_out() const;
};

/// Waits until `fd` has one of poll(2)'s `events`. kUnavailable after the
/// deadline, even when it is ready then, and when cancelled.
Result<void> wait_ready(int fd, short events, const Limit& limit);

/// Waits for nothing but time or `cancellation`, which may be null; false when
/// it came to the latter.
bool pause(Duration time, const Cancellation* cancellation);

}  // namespace gpunode::http
