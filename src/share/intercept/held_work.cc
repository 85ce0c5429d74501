#include "share/intercept/held_work.h"

#include <cstddef>

#include "gpu/abi/cuda_work.h"
#include "share/intercept/account.h"
#include "share/intercept/driver.h"
#include "share/intercept/gate_keeper.h"
#include "share/intercept/turn.h"

namespace gpunode::share {

bool may_be_captured(abi::CUstream stream) {
  const auto ask = driver().cuStreamIsCapturing.load(std::memory_order_relaxed);
  auto status = abi::CU_STREAM_CAPTURE_STATUS_NONE;
  return ask != nullptr && (ask(stream, &status) != abi::CUDA_SUCCESS ||
                            status != abi::CU_STREAM_CAPTURE_STATUS_NONE);
}

void fence(Seat* seat, Place* place, std::uint32_t at, abi::CUstream stream,
           std::uint32_t number) {
  auto ask = driver().cuStreamWriteValue32_v2.load(std::memory_order_relaxed);
  if (ask == nullptr) {
    ask = driver().cuStreamWriteValue32.load(std::memory_order_relaxed);
  }
  const bool is_asked =
      ask != nullptr &&
      ask(stream, place->lane + offsetof(Lane, done) + at * sizeof(SmallWord),
          number, 0) == abi::CUDA_SUCCESS;
  const Turn turn(seat->is_busy);
  LaneStream& one = seat->streams[at];
  one.is_fencing = false;
  if (!is_asked) {
    // Once is no matter: the stream may have been another context's.
    --one.asked;
    ++one.since;  // It has no end that anybody is told of.
    // Its context was found meanwhile to be done with it.
    SmallWord& done = seat->lane->done[at];
    if (done.load() == number) done.store(one.asked);
    place->fences_from.store(next_try(&place->failures),
                             std::memory_order_relaxed);
    return;
  }
  place->failures = 0;
  seat->lane->asked[at].store(number);
  if (one.since == 0) set_tail(seat->lane, at, false);
}

void fence_tail(Seat* seat, Place* place, abi::CUcontext context,
                abi::CUstream stream, std::uint32_t most) {
  std::uint32_t at = 0;
  std::uint32_t number = 0;
  {
    const Turn turn(seat->is_busy);
    at = find_stream(seat, context, stream);
    if (at == kLaneStreams) return;
    const LaneStream& one = seat->streams[at];
    const std::uint32_t under_way =
        one.asked - seat->lane->done[at].load(std::memory_order_relaxed);
    if (one.since <= most || one.is_fencing || under_way >= 2 * kMostFences ||
        stands_behind_a_gate(*seat, at) || !can_fence(*place)) {
      return;
    }
    begin_fence(seat, at);
    number = one.asked;
  }
  fence(seat, place, at, stream, number);
}

namespace {

/// Lets in what is held when it may be, or nobody says when. What to sleep on
/// until then; nothing is held: null.
GateWait tend_gates(bool was_woken) {
  GateWait wait;
  for (Seat& seat : seats) {
    bool is_over = false;
    bool rings = false;
    {
      const Turn turn(seat.is_busy);
      if (seat.lane == nullptr || !holds_any(seat)) continue;
      const DeviceLimit& limits = account().limits_at(seat.device);
      const std::uint64_t now = nanoseconds();
      const std::uint32_t word = limits.turn.load();
      const bool is_silent = !is_beating(&seat, limits, now);
      is_over = is_silent || now - seat.held_at >= kLongestWait ||
                (word & TurnWord::kClosed) == 0;
      const bool has_missed = was_woken && !is_over;
      if (has_missed) seat.lane->missed.fetch_add(1);
      rings = has_missed || (!is_over && now - seat.rung_at >= kSecond / 4);
      if (rings) seat.rung_at = now;
      if (is_silent) {
        seat.silent_beat.store(std::uint64_t{limits.beat.load()} + 1);
      }
      if (!is_over) wait = {&limits.turn, word};
    }
    if (is_over) open_gates(&seat);
    if (rings) account().ring();
  }
  return wait;
}

void open_all_gates() {
  for (Seat& seat : seats) {
    {
      const Turn turn(seat.is_busy);
      if (seat.lane == nullptr) continue;
    }
    open_gates(&seat);
  }
}

/// Has the Device hold what comes next in the stream until it is let in.
/// `at` is being fenced by this thread.
bool shut_gate(Seat* seat, Place* place, std::uint32_t at, abi::CUstream stream,
               std::uint32_t until) {
  auto ask = driver().cuStreamWaitValue32_v2.load(std::memory_order_relaxed);
  if (ask == nullptr) {
    ask = driver().cuStreamWaitValue32.load(std::memory_order_relaxed);
  }
  const bool is_shut =
      ask != nullptr && ask(stream, place->lane + offsetof(Lane, opened), until,
                            abi::CU_STREAM_WAIT_VALUE_GEQ) == abi::CUDA_SUCCESS;
  const Turn turn(seat->is_busy);
  LaneStream& one = seat->streams[at];
  one.is_fencing = false;
  if (!is_shut) {
    place->gates_from.store(next_try(&place->gate_failures),
                            std::memory_order_relaxed);
    return false;
  }
  place->gate_failures = 0;
  one.gated = one.asked;
  one.gated_count = one.count;
  one.until = until;
  one.pace_since = 0;  // Time that it waits says nothing of the Device's pace.
  seat->lane->gated[at].store(one.gated);
  seat->lane->until[at].store(until);
  return true;
}

}  // namespace

bool hold(Seat* seat, Place* place, abi::CUcontext context,
          abi::CUstream stream) {
  const DeviceLimit& limits = account().limits_at(seat->device);
  const bool is_one_by_one =
      (limits.turn.load(std::memory_order_relaxed) & TurnWord::kOneByOne) != 0;
  std::uint32_t at = 0;
  std::uint32_t until = 0;
  {
    const Turn turn(seat->is_busy);
    at = find_stream(seat, context, stream);
    if (at == kLaneStreams) return false;
    if (is_held(*seat, at)) return !is_one_by_one && may_hold_more(*seat, at);
  }
  if (!can_fence(*place) ||
      !is_past(place->gates_from.load(std::memory_order_relaxed))) {
    return false;
  }
  if (!keep_gates(&tend_gates, &open_all_gates)) {
    const Turn turn(seat->is_busy);
    place->gates_from.store(next_try(&place->gate_failures),
                            std::memory_order_relaxed);
    return false;
  }
  fence_tail(seat, place, context, stream, 0);
  {
    const Turn turn(seat->is_busy);
    LaneStream& one = seat->streams[at];
    const bool is_its_own = one.context == context && one.stream == stream &&
                            one.thread == thread_of(stream) && !one.is_fencing;
    if (!is_its_own) return false;
    one.is_fencing = true;
    until = seat->lane->opened.load() + 1;
    if (!holds_any(*seat)) {
      // Beats come only while anybody works.
      seat->beat_at = 0;
      seat->held_at = nanoseconds();
    }
  }
  if (!shut_gate(seat, place, at, stream, until)) return false;
  // Whoever tends the gates may have gone to rest before it was shut.
  if (!keep_gates(&tend_gates, &open_all_gates)) open_gates(seat);
  if ((limits.turn.load() & TurnWord::kClosed) == 0) {
    open_gates(seat);  // It was opened meanwhile.
  } else {
    account().ring();
  }
  return true;
}

}  // namespace gpunode::share
