#include "share/intercept/seat.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "share/intercept/turn.h"

namespace gpunode::share {
namespace {

/// Microseconds of work from fence to fence that are meant.
constexpr std::uint32_t kPiece = 250;
/// Microseconds of work that may be held for a turn.
constexpr std::uint32_t kHeld = 2000;
/// Fences of a stream, where nothing is known of what launches cost.
constexpr std::uint32_t kHeldUnknown = 2;
/// Microseconds of work that may be under way where others want the Device.
constexpr std::uint32_t kUnderWay = 1500;
constexpr std::uint32_t kMicrosecond = 1000;
/// Longer pieces are told of as of this length, in microseconds.
constexpr std::uint32_t kMostPiece = 100'000'000;
/// Of a launch, in nanoseconds: what took longer was no work of the Device's.
constexpr std::uint64_t kMostCost = 1'000'000'000;

}  // namespace

constinit std::array<Seat, kMostDevices> seats;

std::uint64_t nanoseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

const void* thread_of(abi::CUstream stream) {
  constexpr std::uintptr_t kPerThread = 2;
  return reinterpret_cast<std::uintptr_t>(stream) == kPerThread ? &errno
                                                                : nullptr;
}

bool is_held(const Seat& seat, std::uint32_t at) {
  return is_shut(seat.streams[at].until,
                 seat.lane->opened.load(std::memory_order_relaxed));
}

bool holds_any(const Seat& seat) {
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    if (is_held(seat, at)) return true;
  }
  return false;
}

bool stands_behind_a_gate(const Seat& seat, std::uint32_t at) {
  return !is_held(seat, at) && holds_any(seat);
}

namespace {

/// What comes from now on is measured, behind fence `from`.
void begin_pace(Seat* seat, std::uint32_t at, std::uint64_t now,
                std::uint32_t from) {
  LaneStream& one = seat->streams[at];
  one.pace_since = now;
  one.pace_from = from;
  one.pace_count = one.count;
  one.pace_launches = seat->launches;
}

}  // namespace

void open_gates(Seat* seat) {
  const Turn turn(seat->is_busy);
  for (LaneStream& one : seat->streams) {
    std::uint32_t opened = seat->lane->opened.load();
    if (is_shut(one.until, opened)) {
      // From here on the Device is at it.
      const auto number =
          static_cast<std::uint32_t>(&one - seat->streams.data());
      begin_pace(seat, number, nanoseconds(), one.gated);
    }
    while (is_shut(one.until, opened) &&
           !seat->lane->opened.compare_exchange_weak(opened, one.until)) {
    }
  }
}

namespace {

/// The Device has passed all of its fences, and holds none of its work.
bool is_passed(const Seat& seat, std::uint32_t at) {
  const LaneStream& stream = seat.streams[at];
  return !stream.is_fencing && !is_held(seat, at) &&
         seat.lane->done[at].load(std::memory_order_relaxed) == stream.asked;
}

/// A place for one more stream; kLaneStreams: all are of streams that work. One
/// of a stream that may have work behind its last fence is given away if there
/// is no other, in turn: whether that stream is still there, nobody tells us.
/// The next fence there comes when it would have come.
std::uint32_t free_place(Seat* seat) {
  std::uint32_t tail = kLaneStreams;
  for (std::uint32_t next = 0; next < kLaneStreams; ++next) {
    const std::uint32_t at = (seat->given_away + 1 + next) % kLaneStreams;
    if (!is_passed(*seat, at)) continue;
    if (seat->streams[at].since == 0) return at;
    if (tail == kLaneStreams) tail = at;
  }
  if (tail != kLaneStreams) seat->given_away = tail;
  return tail;
}

}  // namespace

void LaneStream::begin_anew(abi::CUcontext its_context,
                            abi::CUstream its_stream, const void* its_thread) {
  *this = {.context = its_context,
           .stream = its_stream,
           .thread = its_thread,
           .asked = asked,
           .since = since,
           .gated = gated,
           .until = until};
}

std::uint32_t find_stream(Seat* seat, abi::CUcontext context,
                          abi::CUstream stream) {
  const void* const thread = thread_of(stream);
  std::uint32_t free = kLaneStreams;
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    LaneStream& one = seat->streams[at];
    if (one.context == context && one.stream == stream &&
        one.thread == thread) {
      return at;
    }
    if (one.context == nullptr) {  // Nor has any of those behind it one.
      free = at;
      break;
    }
  }
  if (free == kLaneStreams) free = free_place(seat);
  if (free == kLaneStreams) return free;
  LaneStream& one = seat->streams[free];
  one.begin_anew(context, stream, thread);
  begin_pace(seat, free, nanoseconds(), one.asked);
  return free;
}

void set_tail(Lane* lane, std::uint32_t at, bool has_one) {
  const std::uint32_t bit = std::uint32_t{1} << at;
  if (has_one) {
    if ((lane->tails.load(std::memory_order_relaxed) & bit) == 0) {
      lane->tails.fetch_or(bit);
    }
  } else {
    lane->tails.fetch_and(~bit);
  }
}

namespace {

/// What a launch costs the Device, in nanoseconds, has come to be known anew:
/// `cost` was its mean over some of them.
void learn_cost(Seat* seat, std::uint32_t cost) {
  seat->mean_cost =
      seat->mean_cost == 0 ? cost : (seat->mean_cost + cost + 1) / 2;
  // Long ones among short ones come again.
  const std::uint32_t faded = seat->most_cost - seat->most_cost / 64;
  seat->most_cost = cost > faded ? cost : faded;
}

/// It was no more than `cost`: the program may have been slower than the
/// Device.
void learn_bound(Seat* seat, std::uint32_t cost) {
  if (seat->mean_cost == 0 || cost < seat->mean_cost) seat->mean_cost = cost;
  if (cost < seat->most_cost) seat->most_cost -= seat->most_cost / 64;
}

void say_piece(const Seat& seat) {
  const std::uint64_t piece = std::uint64_t{seat.every} *
                              std::max(seat.mean_cost, seat.most_cost) /
                              kMicrosecond;
  seat.lane->piece.store(
      piece > kMostPiece ? kMostPiece : static_cast<std::uint32_t>(piece | 1),
      std::memory_order_relaxed);
}

}  // namespace

namespace {

/// What a launch of the stream's cost the Device since its pace is measured, in
/// nanoseconds, above 0: `passed` fences took until `now`.
std::uint64_t measured_cost(const Seat& seat, const LaneStream& stream,
                            std::uint32_t passed, std::uint64_t now) {
  // The time is that of all streams: its own is as much of it as its launches
  // are of theirs.
  const std::uint64_t own = std::max(stream.count - stream.pace_count, 1U);
  const std::uint64_t all = std::max<std::uint64_t>(
      std::uint32_t{seat.launches - stream.pace_launches}, own);
  const std::uint64_t time_of_own = (now - stream.pace_since) * own / all;
  // Those fences are taken to be of as many launches as the next one is.
  const std::uint64_t launches =
      std::uint64_t{passed} * std::max(stream.since, 1U);
  return time_of_own / launches + 1;
}

/// As many launches as make a piece, and no more than twice those of before.
void fit_piece(Seat* seat) {
  // Not of the longest: a fence for each short kernel among few long ones would
  // cost more than it tells.
  const std::uint32_t fitted_cost =
      std::max(seat->mean_cost, seat->most_cost / 4);
  const std::uint32_t fitting = kPiece * kMicrosecond / fitted_cost;
  seat->every = std::clamp(std::min(fitting, seat->every * 2), 1U, kMostEvery);
  say_piece(*seat);
}

}  // namespace

void keep_pace(Seat* seat, std::uint32_t at, std::uint64_t now) {
  LaneStream& stream = seat->streams[at];
  const std::uint32_t done =
      seat->lane->done[at].load(std::memory_order_relaxed);
  if (is_held(*seat, at)) {
    stream.pace_since = 0;  // What it takes from then on says nothing.
    return;
  }
  if (stream.pace_since == 0) {
    begin_pace(seat, at, now, done);
    return;
  }
  const std::uint32_t passed = done - stream.pace_from;
  const bool keeps_up = done == stream.asked;
  const std::uint32_t fewest = keeps_up ? 1 : 2;
  if (passed < fewest || passed > stream.asked - stream.pace_from) return;
  const std::uint64_t cost = measured_cost(*seat, stream, passed, now);
  begin_pace(seat, at, now, done);
  if (cost > kMostCost) return;  // It waited for other things.
  if (keeps_up) {
    learn_bound(seat, static_cast<std::uint32_t>(cost));
  } else {
    learn_cost(seat, static_cast<std::uint32_t>(cost));
  }
  fit_piece(seat);
}

void learn_from_wait(Seat* seat, std::uint64_t waited) {
  constexpr std::uint64_t kLong = 1'000'000;
  const std::uint32_t launches = seat->launches - seat->awaited;
  seat->awaited = seat->launches;
  if (launches == 0 || waited < kLong) return;
  const std::uint64_t cost = waited / launches;
  if (cost > kMostCost) return;
  learn_cost(seat, static_cast<std::uint32_t>(cost));
  fit_piece(seat);
}

void begin_fence(Seat* seat, std::uint32_t at) {
  LaneStream& one = seat->streams[at];
  one.is_fencing = true;
  one.since = 0;
  seat->unfenced = 0;
  ++one.asked;
}

std::uint32_t most_fences(const Lane& lane) {
  const std::uint32_t piece = lane.piece.load(std::memory_order_relaxed);
  if (piece == 0) return 3;
  const std::uint32_t most = kUnderWay / piece;
  return most < 1 ? 1 : most >= kMostFences ? kMostFences - 1 : most;
}

bool may_hold_more(const Seat& seat, std::uint32_t at) {
  const LaneStream& one = seat.streams[at];
  if (one.asked - one.gated >= kMostHeld || one.since >= kMostEvery) {
    return false;
  }
  if (seat.mean_cost == 0) return one.asked - one.gated < kHeldUnknown;
  std::uint64_t launches = 0;
  for (std::uint32_t held = 0; held < kLaneStreams; ++held) {
    if (!is_held(seat, held)) continue;
    launches += seat.streams[held].count - seat.streams[held].gated_count;
  }
  // What is held is let in at once: it is its mean that counts.
  return launches * seat.mean_cost < std::uint64_t{kHeld} * kMicrosecond;
}

bool is_beating(Seat* seat, const DeviceLimit& limits, std::uint64_t now) {
  const std::uint32_t beat = limits.beat.load(std::memory_order_relaxed);
  if (beat != seat->beat || seat->beat_at == 0) {
    seat->beat = beat;
    seat->beat_at = now;
  }
  return now - seat->beat_at < kSecond;
}

bool is_node_silent(const Seat& seat, const DeviceLimit& limits) {
  const std::uint64_t silent = seat.silent_beat.load(std::memory_order_relaxed);
  return silent != 0 &&
         silent ==
             std::uint64_t{limits.beat.load(std::memory_order_relaxed)} + 1;
}

void forget_seats() {
  // A thread of the parent may have been in the midst of it.
  for (Seat& seat : seats) {
    seat.is_busy.store(false, std::memory_order_relaxed);
    seat.lane = nullptr;
    seat.every = 1;
    seat.mean_cost = 0;
    seat.most_cost = 0;
    seat.launches = 0;
    seat.awaited = 0;
    seat.unfenced = 0;
    seat.silent_beat.store(0, std::memory_order_relaxed);
    seat.beat_at = 0;
    seat.streams = {};
  }
}

}  // namespace gpunode::share
