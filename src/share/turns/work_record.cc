#include "share/turns/work_record.h"

#include <algorithm>

#include "share/turns/nanoseconds.h"

namespace gpunode::share {
namespace {

/// Launches that have come and gone between two looks took no longer.
constexpr std::chrono::microseconds kBrief{100};

Duration tail_of(const TurnLook& look) {
  if (!look.has_tail) return {};
  return std::clamp<Duration>(look.tail, Duration{}, WorkRecord::kLongestTail);
}

}  // namespace

Duration WorkRecord::see(const TurnLook& look, Duration now, Duration passed) {
  const bool has_launched = look.launches != look_.launches;
  const bool has_moved = has_launched || look.passed != look_.passed;
  passes_ = look.passed - look_.passed;
  const Duration busy = passed / 2 * (int{look_.is_busy} + int{look.is_busy});
  Duration worked = busy;
  // What has no fence behind it is done after what has.
  const auto add_tail = [&] {
    const Duration more = std::min(passed - worked, tail_);
    worked += more;
    tail_ -= more;
  };
  if (!look_.is_busy) add_tail();
  if (has_launched) {
    tail_ = tail_of(look);
    if (busy == Duration{}) add_tail();
    launched_ = now;
  }
  if (busy == Duration{} && has_moved) {
    worked = std::max(worked, std::min<Duration>(passed, kBrief));
  }
  if (has_moved || !look.is_busy) unmoved_ = 0;
  if (has_moved || look.is_busy || look_.is_busy) moved_ = now;
  if (!look.is_busy) rested_ = now;
  rests_ = look.is_busy ? 0 : rests_ + 1;
  look_ = look;
  return worked;
}

void WorkRecord::add_time(double had) {
  unmoved_ += had;
  unpassed_ += had;
  if (passes_ != 0) {
    piece_ += (unpassed_ / static_cast<double>(passes_) - piece_) / 2;
  }
  // What has no fence behind it is no long piece.
  if (passes_ != 0 || !look_.is_busy) unpassed_ = 0;
}

bool WorkRecord::is_persistent() const {
  return unmoved_ > nanoseconds(kPersistent);
}

bool WorkRecord::is_stalled() const {
  return unmoved_ > nanoseconds(kStalled);
}

bool WorkRecord::has_long_pieces() const {
  return std::max(piece_, unpassed_) >= nanoseconds(kLong);
}

std::optional<Duration> WorkRecord::done() const {
  if (look_.is_busy) return std::nullopt;
  return moved_ + tail_of(look_);
}

}  // namespace gpunode::share
