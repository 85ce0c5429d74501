#include "share/intercept/passage.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <ctime>

#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver_turn.h"
#include "share/intercept/gate_keeper.h"
#include "share/intercept/held_work.h"
#include "share/intercept/kept_errno.h"
#include "share/intercept/place.h"
#include "share/intercept/seat.h"
#include "share/intercept/turn.h"

namespace gpunode::share {
namespace {

/// Further apart numbers make no sense.
constexpr std::uint32_t kNonsense = 1 << 30;

/// Waits until the stream has no more than `most` fences under way, or its turn
/// is over: then the Device holds what comes. What never comes to an end before
/// this thread does something else is not waited for.
void wait_for_work(Seat* seat, std::uint32_t at, std::uint32_t number,
                   std::uint32_t (*most)(const Lane&)) {
  constexpr std::uint64_t kLongest = 100'000'000;
  std::uint64_t longest = 0;
  {
    const Turn turn(seat->is_busy);
    longest = std::max(kLongest, 4 * std::uint64_t{seat->most_cost});
  }
  const Lane& lane = *seat->lane;
  const DeviceLimit& limits = account().limits_at(seat->device);
  std::uint32_t seen = lane.done[at].load(std::memory_order_relaxed);
  std::uint64_t since = 0;
  for (Patience patience;; patience.wait()) {
    const std::uint32_t done = lane.done[at].load(std::memory_order_relaxed);
    const std::uint32_t under_way = number - done;
    // Numbers that make no sense are none to wait for.
    if (under_way <= most(lane) || under_way > kNonsense) return;
    const std::uint32_t word = limits.turn.load(std::memory_order_relaxed);
    if ((word & TurnWord::kContended) == 0) return;
    if ((word & TurnWord::kClosed) != 0) return;
    const std::uint64_t now = nanoseconds();
    if (done != seen || since == 0) {
      seen = done;
      since = now;
    } else if (now - since > longest) {
      const Turn turn(seat->is_busy);
      seat->streams[at].stuck_until = now + 10 * kSecond;
      return;
    }
  }
}

bool may_be_waited_for(Seat* seat, std::uint32_t at, std::uint64_t now) {
  return now >= seat->streams[at].stuck_until && !is_held(*seat, at) &&
         is_beating(seat, account().limits_at(seat->device), now);
}

/// Of long kernels the next one is launched when the last one is done: if it
/// were under way already when the turn ends others would wait for it, too.
void wait_for_last_work(Seat* seat, Place* place, abi::CUcontext context,
                        abi::CUstream stream) {
  fence_tail(seat, place, context, stream, 0);
  std::uint32_t at = 0;
  std::uint32_t number = 0;
  {
    const Turn turn(seat->is_busy);
    seat->every = 1;
    at = find_stream(seat, context, stream);
    if (at == kLaneStreams || !may_be_waited_for(seat, at, nanoseconds())) {
      return;
    }
    number = seat->streams[at].asked;
  }
  wait_for_work(seat, at, number,
                [](const Lane&) -> std::uint32_t { return 0; });
}

/// Sleeps until it is the container's turn. False: nobody says whose it is, or
/// it is too long in coming. What ends its sleep may be signals alone, so it is
/// time that counts.
bool wait_for_turn(Seat* seat) {
  constexpr std::uint64_t kRing = kSecond / 4;
  constexpr timespec kSleep = {0, kRing};
  const Errno kept;
  Lane& lane = *seat->lane;
  const DeviceLimit& limits = account().limits_at(seat->device);
  const std::uint64_t begun = nanoseconds();
  std::uint32_t beat = limits.beat.load();
  std::uint64_t beat_at = begun;
  std::uint64_t rung_at = begun;
  bool is_over = false;
  if (lane.waiting.fetch_add(1) == 0) account().ring();
  while (!is_over) {
    const std::uint32_t word = limits.turn.load();
    if ((word & TurnWord::kClosed) == 0) break;
    // Not libc's: a thread could be cancelled in it.
    const bool was_woken = syscall(SYS_futex, &limits.turn, FUTEX_WAIT, word,
                                   &kSleep, nullptr, 0) == 0;
    const bool has_missed =
        was_woken && (limits.turn.load() & TurnWord::kClosed) != 0;
    if (has_missed) lane.missed.fetch_add(1);
    const std::uint64_t now = nanoseconds();
    const std::uint32_t seen = limits.beat.load();
    if (seen != beat) {
      beat = seen;
      beat_at = now;
    } else if (now - beat_at >= kSecond) {
      seat->silent_beat.store(std::uint64_t{beat} + 1);
      is_over = true;
    }
    is_over = is_over || now - begun >= kLongestWait;
    if (!has_missed && now - rung_at < kRing) continue;
    rung_at = now;
    account().ring();
  }
  open_gates(seat);  // Of what this thread had held before it waited.
  lane.waiting.fetch_sub(1);
  lane.waits.fetch_add(1, std::memory_order_relaxed);
  lane.waited.fetch_add(nanoseconds() - begun, std::memory_order_relaxed);
  return !is_over;
}

/// Whether launches since a stream's last fence are enough for another. Where
/// others want the Device they are a piece with those of the other streams: of
/// what has no fence behind it nobody knows when it is done.
bool is_piece(const Seat& seat, std::uint32_t launches, std::uint32_t word) {
  const bool is_wanted =
      (word & (TurnWord::kContended | TurnWord::kClosed)) != 0;
  // Nobody waits for the end of it. Of long ones each is told of still: others
  // may come any time.
  if (!is_wanted && seat.every > 1) return launches >= 2 * seat.every;
  return launches >= seat.every || (is_wanted && seat.unfenced >= seat.every);
}

void count_launch(Seat* seat, std::uint32_t at) {
  ++seat->launches;
  ++seat->unfenced;
  ++seat->streams[at].count;
  ++seat->streams[at].since;
  set_tail(seat->lane, at, true);
}

/// Whether the last launch ends a piece, and the Device can tell the end of it.
bool ends_piece(const Seat& seat, const Place& place, std::uint32_t at,
                std::uint32_t word) {
  const LaneStream& one = seat.streams[at];
  return is_piece(seat, one.since, word) && !one.is_fencing &&
         !stands_behind_a_gate(seat, at) && can_fence(place);
}

bool has_room_for_fence(const Seat& seat, std::uint32_t at) {
  const std::uint32_t under_way =
      seat.streams[at].asked -
      seat.lane->done[at].load(std::memory_order_relaxed);
  return under_way < (is_held(seat, at) ? kMostHeld : kMostFences);
}

/// Whether it is its turn, or none are taken.
bool may_go(Seat* seat, Place* place, abi::CUcontext context,
            abi::CUstream stream, MayHold may_hold) {
  constexpr std::uint32_t kOneByOne =
      TurnWord::kContended | TurnWord::kOneByOne;
  const DeviceLimit& limits = account().limits_at(seat->device);
  std::uint32_t word = limits.turn.load(std::memory_order_relaxed);
  // Who cannot be held might come too late each time.
  if ((word & (kOneByOne | TurnWord::kClosed)) == kOneByOne &&
      may_hold == MayHold::kYes) {
    wait_for_last_work(seat, place, context, stream);
    word = limits.turn.load(std::memory_order_relaxed);
  }
  return (word & TurnWord::kClosed) == 0;
}

}  // namespace

Passage::Passage(abi::CUstream stream, MayHold may_hold) : stream_(stream) {
  if (!account().may_take_turns() || DriverTurn::is_amid()) return;
  abi::CUcontext const context = current_context();
  if (context == nullptr || may_be_captured(stream)) return;
  Place* const place = place_of(context);
  Seat* const seat = place == nullptr ? nullptr : place->seat;
  if (seat == nullptr) return;
  const DeviceLimit& limits = account().limits_at(seat->device);
  if (limits.turn.load(std::memory_order_relaxed) == 0) return;
  place_ = place;
  if (place->has_failed.load(std::memory_order_relaxed)) return;
  seat_ = seat;
  context_ = context;
  while (!may_go(seat, place, context, stream, may_hold)) {
    if (is_node_silent(*seat, limits)) return;
    if (may_hold == MayHold::kYes && hold(seat, place, context, stream)) return;
    fence_tail(seat, place, context, stream, 0);
    if (!wait_for_turn(seat)) return;
  }
}

void Passage::end() {
  if (seat_ == nullptr) {
    if (place_ != nullptr) place_->has_failed.store(false);
    return;
  }
  Seat& seat = *seat_;
  seat.lane->launches.fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t word =
      account().limits_at(seat.device).turn.load(std::memory_order_relaxed);
  std::uint32_t at = 0;
  std::uint32_t number = 0;
  bool is_fenced = false;
  bool is_waited_for = false;
  {
    const Turn turn(seat.is_busy);
    at = find_stream(&seat, context_, stream_);
    if (at == kLaneStreams) {
      seat.lane->unfenced.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    count_launch(&seat, at);
    if (!ends_piece(seat, *place_, at, word)) return;
    const std::uint64_t now = nanoseconds();
    is_fenced = has_room_for_fence(seat, at);
    if (is_fenced) {
      keep_pace(&seat, at, now);
      begin_fence(&seat, at);
    }
    number = seat.streams[at].asked;
    is_waited_for =
        may_be_waited_for(&seat, at, now) && (word & TurnWord::kContended) != 0;
  }
  if (is_fenced) fence(seat_, place_, at, stream_, number);
  if (is_waited_for) wait_for_work(&seat, at, number, &most_fences);
}

Awaited::Awaited(All all, abi::CUstream stream) : stream_(stream), all_(all) {
  if (!account().may_take_turns() || DriverTurn::is_amid()) return;
  abi::CUcontext const context = current_context();
  Place* const place = context == nullptr ? nullptr : find_place(context);
  seat_ = place == nullptr ? nullptr : place->seat;
  if (seat_ == nullptr) return;
  context_ = context;
  // Where anything is held, a fence of another stream may come to stand behind
  // it: streams share what the Device has of queues.
  bool holds = false;
  {
    const Turn turn(seat_->is_busy);
    holds = holds_any(*seat_);
  }
  if (all == All::kStream && !holds && !may_be_captured(stream)) {
    fence_tail(seat_, place, context, stream, kMostEvery);
  }
  if (!holds) begun_ = nanoseconds();
  const Turn turn(seat_->is_busy);
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    counts_[at] = seat_->streams[at].count;
  }
}

bool Awaited::is_of(std::uint32_t at) const {
  const LaneStream& one = seat_->streams[at];
  return one.context == context_ && one.count == counts_[at] &&
         !one.is_fencing &&
         (all_ == All::kContext ||
          (one.stream == stream_ && one.thread == thread_of(stream_)));
}

void Awaited::end() {
  if (seat_ == nullptr) return;
  Seat& seat = *seat_;
  const std::uint64_t waited = begun_ == 0 ? 0 : nanoseconds() - begun_;
  const Turn turn(seat.is_busy);
  learn_from_wait(&seat, waited);
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    if (seat.streams[at].context == nullptr) break;
    if (!is_of(at)) continue;
    seat.streams[at].since = 0;
    set_tail(seat.lane, at, false);
    // A number that was written late, by a stream that had the handle before,
    // is put right.
    seat.lane->done[at].store(seat.streams[at].asked);
  }
}

void retire_stream(abi::CUstream stream) {
  if (!account().may_take_turns() || DriverTurn::is_amid()) return;
  abi::CUcontext const context = current_context();
  Place* const place = context == nullptr ? nullptr : find_place(context);
  Seat* const seat = place == nullptr ? nullptr : place->seat;
  if (seat == nullptr) return;
  fence_tail(seat, place, context, stream, 0);
  const Turn turn(seat->is_busy);
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    LaneStream& one = seat->streams[at];
    if (one.context != context || one.stream != stream) continue;
    one.stream = nullptr;
    one.thread = &one;
    one.since = 0;
    set_tail(seat->lane, at, false);
  }
}

void suspend_passages(std::uint64_t context) {
  // Amid a callback of the driver's, see DriverTurn, its place stays as it is.
  if (context == 0 || DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kPlaces);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): that is the handle.
  Place* const place = find_place(reinterpret_cast<abi::CUcontext>(context));
  if (place != nullptr) place->endings.fetch_add(1);
}

void resume_passages(std::uint64_t context, bool is_alive) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): that is the handle.
  auto* const handle = reinterpret_cast<abi::CUcontext>(context);
  if (context == 0 || DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kPlaces);
  Place* const place = find_place(handle);
  if (place == nullptr) return;
  if (place->endings.load() > 0) place->endings.fetch_sub(1);
  if (!is_alive) end_place(place);
}

void forget_passages() {
  forget_places();
  forget_seats();
  forget_gate_keeper();
}

}  // namespace gpunode::share
