// When an object of the API is to be looked at: as soon as it is wished
// otherwise, not before a failure's wait is over, and now and then.
#pragma once

#include <algorithm>
#include <optional>

#include "base/core/clock.h"

namespace gpunode::plugin {

/// Pure: time is an argument. Wishes may change while a try is in progress,
/// which is between begin() and done() or failed().
class KeptObject {
 public:
  /// Otherwise than before.
  void wish_changed() {
    is_wished_ = true;
    is_pending_ = true;
    is_done_ = false;
  }

  /// Whether anything was wished ever.
  bool is_wished() const { return is_wished_; }
  /// Whether what is wished has yet to be tried.
  bool is_pending() const { return is_pending_; }
  /// Whether it was as wished when it was last looked at.
  bool is_done() const { return is_done_; }

  /// The object may have changed.
  void look_again() { look_at_ = TimePoint(); }
  /// A failure's wait is over.
  void try_now() { not_before_.reset(); }
  /// What is seen of the object by now counts until `at`.
  void look_at(TimePoint at) {
    if (!look_at_) look_at_ = at;
  }

  /// When there is something to do; max: not by itself.
  TimePoint due() const {
    if (!is_wished_) return TimePoint::max();
    const TimePoint at =
        is_pending_ ? TimePoint() : look_at_.value_or(TimePoint::max());
    return std::max(at, not_before_.value_or(at));
  }

  /// A try begins, for what is wished by now. True if what was seen of the
  /// object before does not count any more.
  bool begin(TimePoint now) {
    const bool is_look = look_at_ && *look_at_ <= now;
    look_at_.reset();  // A look that is asked for from now on is another.
    is_pending_ = false;
    return is_look;
  }

  /// The object is as wished; looked at again at `next`, or before if that was
  /// asked for meanwhile.
  void done(TimePoint next) {
    failures_ = 0;
    is_done_ = !is_pending_;
    not_before_.reset();
    look_at(next);
  }

  /// Failures in a row, this one included.
  unsigned count_failure() { return ++failures_; }
  /// Not tried before `at`.
  void failed(TimePoint at) {
    is_pending_ = true;
    is_done_ = false;
    not_before_ = at;
  }

 private:
  bool is_wished_ = false;
  bool is_pending_ = false;
  bool is_done_ = false;
  std::optional<TimePoint> look_at_;
  std::optional<TimePoint> not_before_;
  unsigned failures_ = 0;
};

}  // namespace gpunode::plugin
