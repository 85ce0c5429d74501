#include "share/intercept/passage.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <ctime>

#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver.h"
#include "share/intercept/driver_turn.h"
#include "share/intercept/gate_keeper.h"
#include "share/intercept/kept_errno.h"
#include "share/intercept/relaxed_capture.h"
#include "share/intercept/turn.h"

namespace gpunode::share {

/// A stream whose work is told apart, by its place in the lane.
struct LaneStream {
  abi::CUcontext context = nullptr;  ///< Null: free.
  abi::CUstream stream = nullptr;
  const void* thread = nullptr;  ///< Of a stream that each thread has.
  std::uint32_t asked = 0;       ///< Fences.
  std::uint32_t since = 0;       ///< Launches behind the last one.
  std::uint32_t count = 0;       ///< Launches.
  std::uint32_t gated = 0;       ///< Fences before the last gate.
  std::uint32_t until = 0;       ///< The opening that it waits for.
  bool is_fencing = false;       ///< A thread asks for one.
  /// Its work waits for something that comes after it: not waited for until
  /// then.
  std::uint64_t stuck_until = 0;
  /// Since when, and from which fence on, the Device's pace is measured.
  std::uint64_t pace_since = 0;
  std::uint32_t pace_from = 0;
};

/// This process on one Device.
struct Seat {
  std::atomic<bool> is_busy = false;  ///< What follows has one thread.
  Lane* lane = nullptr;               ///< Null: not claimed, or there is none.
  std::uint32_t device = 0;
  std::uint32_t every = 1;  ///< Launches from fence to fence.
  std::uint64_t fenced_at = 0;
  std::uint32_t given_away = kLaneStreams - 1;  ///< The last such place.
  /// One more than the beat at which the node was found to have gone.
  std::atomic<std::uint64_t> silent_beat = 0;
  std::uint32_t beat = 0;  ///< As last seen by who has much under way.
  std::uint64_t beat_at = 0;
  std::uint64_t held_at = 0;  ///< Since when anything is held.
  std::uint64_t rung_at = 0;  ///< For that.
  std::array<LaneStream, kLaneStreams> streams = {};
};

/// A context, and the words in which its Device leaves word.
struct Place {
  std::atomic<abi::CUcontext> context = nullptr;
  Seat* seat = nullptr;       ///< Null: its Device takes no turns.
  void* page = nullptr;       ///< Ours; made known to the context.
  abi::CUdeviceptr lane = 0;  ///< As the Device knows it.
  std::atomic<std::uint64_t> gates_from = kNever;  ///< Likewise of gates.
  /// From when on fences may be asked for.
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  std::atomic<std::uint64_t> fences_from = kNever;
  /// Threads that have the driver end the context, or let go of it.
  std::atomic<std::uint32_t> endings = 0;
  int failures = 0;  ///< Fences that could not be had.
  int gate_failures = 0;
};

namespace {

constexpr std::size_t kMostPlaces = 16;
/// Microseconds of work from fence to fence that are meant.
constexpr std::uint32_t kPiece = 250;
/// With more launches between fences a change to longer kernels would be seen
/// too late.
constexpr std::uint32_t kMostEvery = 32;
/// Microseconds of work that may be held for a turn.
constexpr std::uint32_t kHeld = 2000;
/// Microseconds of work that may be under way where others want the Device.
constexpr std::uint32_t kUnderWay = 1500;
/// Fences that may be under way: each takes a place in the driver's queue, of
/// which there are about a thousand, and a program may fill them with work that
/// waits for the program itself.
constexpr std::uint32_t kMostFences = 8;
constexpr std::uint64_t kSecond = 1'000'000'000;
/// Nobody's turn is so long in coming: the node does not know of this process.
constexpr std::uint64_t kLongestWait = 30 * kSecond;
constexpr std::uint64_t kMicrosecond = 1000;
constexpr std::uint32_t kNonsense = 1 << 30;

std::array<Seat, kMostDevices> seats;
std::array<Place, kMostPlaces> places;
/// Before then no place can be made.
std::atomic<std::uint64_t> places_from = 0;

std::uint64_t nanoseconds() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

bool is_past(std::uint64_t from) {
  return from == 0 || (from != Place::kNever && nanoseconds() >= from);
}

/// Again in a second, if it has not failed too often.
std::uint64_t next_try(int* failures) {
  constexpr int kMostFailures = 8;
  ++*failures;
  return *failures < kMostFailures ? nanoseconds() + kSecond : Place::kNever;
}

bool can_fence(const Place& place) {
  return place.endings.load(std::memory_order_relaxed) == 0 &&
         is_past(place.fences_from.load(std::memory_order_relaxed));
}

abi::CUcontext current_context() {
  const auto ask = driver().cuCtxGetCurrent.load(std::memory_order_relaxed);
  abi::CUcontext context = nullptr;
  return ask != nullptr && ask(&context) == abi::CUDA_SUCCESS ? context
                                                              : nullptr;
}

/// In doubt it is. The null stream is no stream to ask about while another is
/// captured.
bool may_be_captured(abi::CUstream stream) {
  const auto ask = driver().cuStreamIsCapturing.load(std::memory_order_relaxed);
  auto status = abi::CU_STREAM_CAPTURE_STATUS_NONE;
  return ask != nullptr && (ask(stream, &status) != abi::CUDA_SUCCESS ||
                            status != abi::CU_STREAM_CAPTURE_STATUS_NONE);
}

Place* find_place(abi::CUcontext context) {
  for (Place& place : places) {
    if (place.context.load(std::memory_order_acquire) == context) return &place;
  }
  return nullptr;
}

/// Has the current context know the lane of its Device.
bool make_known(Place* place) {
  const auto known = real_of(driver().cuMemHostRegister_v2);
  const auto address = real_of(driver().cuMemHostGetDevicePointer_v2);
  const auto unknown = real_of(driver().cuMemHostUnregister);
  if (known == nullptr || address == nullptr || unknown == nullptr) {
    return false;
  }
  Lane* const lane =
      account().map_lane_again(place->seat->device, &place->page);
  if (lane == nullptr) return false;
  const RelaxedCapture relaxed;
  if (known(place->page, page_bytes(), abi::CU_MEMHOSTREGISTER_DEVICEMAP) ==
      abi::CUDA_SUCCESS) {
    if (address(&place->lane, lane, 0) == abi::CUDA_SUCCESS) return true;
    unknown(place->page);
  }
  Lanes::unmap(place->page);
  place->page = nullptr;
  return false;
}

Place* none_for_a_second() {
  places_from.store(nanoseconds() + kSecond, std::memory_order_relaxed);
  return nullptr;
}

/// Null where no more contexts can be told apart, or the account has no slot
/// for this process.
Place* make_place(abi::CUcontext context) {
  const std::uint64_t from = places_from.load(std::memory_order_relaxed);
  if (from != 0 && nanoseconds() < from) return nullptr;
  abi::CUdevice device = 0;
  const auto ask = driver().cuCtxGetDevice.load(std::memory_order_relaxed);
  if (ask == nullptr || ask(&device) != abi::CUDA_SUCCESS) return nullptr;
  const std::uint32_t number = account().number_of(device);
  if (number != Account::kNoDevice && number >= kMostDevices) return nullptr;
  // A callback of the program's may run amid what the driver is asked.
  const DriverTurn turn(Kept::kPlaces);
  if (Place* const made = find_place(context)) return made;
  Place* const place = find_place(nullptr);
  if (place == nullptr) return none_for_a_second();
  place->seat = nullptr;
  place->page = nullptr;
  bool is_known = false;
  if (number != Account::kNoDevice) {
    Seat& seat = seats[number];
    if (seat.lane == nullptr) {
      Lane* const lane = account().claim_lane(number);
      const Turn seat_turn(seat.is_busy);
      seat.device = number;
      seat.lane = lane;
    }
    // A process without a lane is waited for by nobody, and waits for nobody.
    if (seat.lane == nullptr) return none_for_a_second();
    place->seat = &seat;
    is_known = make_known(place);
  }
  place->failures = 0;
  place->endings.store(0, std::memory_order_relaxed);
  place->gate_failures = 0;
  place->gates_from.store(is_known ? 0 : Place::kNever,
                          std::memory_order_relaxed);
  place->fences_from.store(is_known ? 0 : Place::kNever,
                           std::memory_order_relaxed);
  place->context.store(context, std::memory_order_release);
  return place;
}

Place* place_of(abi::CUcontext context) {
  Place* const place = find_place(context);
  return place != nullptr ? place : make_place(context);
}

/// Which thread it is, for a stream that each has.
const void* thread_of(abi::CUstream stream) {
  constexpr std::uintptr_t kPerThread = 2;
  return reinterpret_cast<std::uintptr_t>(stream) == kPerThread ? &errno
                                                                : nullptr;
}

/// What is launched into the stream waits for a turn.
bool is_held(const Seat& seat, std::uint32_t at) {
  return is_shut(seat.streams[at].until,
                 seat.lane->opened.load(std::memory_order_relaxed));
}

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

/// Where the stream is in the lane, from now on; kLaneStreams: all places are
/// of streams that work. By who has the seat.
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
  // The numbers go on: what is written is told from what was.
  const std::uint32_t asked = one.asked;
  const std::uint32_t since = one.since;
  const std::uint32_t gated = one.gated;
  const std::uint32_t until = one.until;
  one = {};
  one.since = since;
  one.gated = gated;
  one.until = until;
  one.pace_since = nanoseconds();
  one.pace_from = asked;
  one.context = context;
  one.stream = stream;
  one.thread = thread;
  one.asked = asked;
  return free;
}

bool holds_any(const Seat& seat) {
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    if (is_held(seat, at)) return true;
  }
  return false;
}

/// Lets in what waits behind gates, as the node does when it is this
/// container's turn.
void open_gates(Seat* seat) {
  const Turn turn(seat->is_busy);
  for (const LaneStream& one : seat->streams) {
    std::uint32_t opened = seat->lane->opened.load();
    while (is_shut(one.until, opened) &&
           !seat->lane->opened.compare_exchange_weak(opened, one.until)) {
    }
  }
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

/// Fits the launches from fence to fence to what the Device makes of them. By
/// who has the seat, before the stream's next fence.
void keep_pace(Seat* seat, std::uint32_t at, std::uint64_t now) {
  LaneStream& stream = seat->streams[at];
  const std::uint32_t done =
      seat->lane->done[at].load(std::memory_order_relaxed);
  const std::uint64_t since_last = now - seat->fenced_at;
  seat->fenced_at = now;
  if (is_held(*seat, at)) {
    stream.pace_since = 0;  // What it takes from then on says nothing.
    return;
  }
  if (done == stream.asked) {
    // It keeps up: the time between says nothing but that it is long enough.
    stream.pace_since = now;
    stream.pace_from = done;
    if (since_last < kPiece * kMicrosecond && seat->every < kMostEvery) {
      seat->every *= 2;
    }
    const std::uint64_t piece = since_last / kMicrosecond;
    if (piece < kPiece * 4) {
      seat->lane->piece.store(static_cast<std::uint32_t>(piece | 1),
                              std::memory_order_relaxed);
    }
    return;
  }
  if (stream.pace_since == 0) {
    stream.pace_since = now;
    stream.pace_from = done;
    return;
  }
  const std::uint32_t passed = done - stream.pace_from;
  if (passed < 2 || passed > stream.asked - stream.pace_from) return;
  const std::uint64_t each =
      (now - stream.pace_since) / kMicrosecond / passed + 1;
  stream.pace_since = now;
  stream.pace_from = done;
  const std::uint64_t fitting = seat->every * std::uint64_t{kPiece} / each;
  const std::uint64_t most = std::uint64_t{seat->every} * 2;
  std::uint64_t every = fitting < most ? fitting : most;
  if (every < 1) every = 1;
  if (every > kMostEvery) every = kMostEvery;
  const std::uint64_t piece = each * every / seat->every;
  seat->every = static_cast<std::uint32_t>(every);
  seat->lane->piece.store(static_cast<std::uint32_t>(piece | 1),
                          std::memory_order_relaxed);
}

/// Has the Device write a number behind what is in the stream. `at` is being
/// fenced by this thread.
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
    place->fences_from.store(next_try(&place->failures),
                             std::memory_order_relaxed);
    return;
  }
  seat->lane->asked[at].store(number);
  if (one.since == 0) set_tail(seat->lane, at, false);
}

/// Work that may be under way, in fences.
std::uint32_t most_fences(const Lane& lane) {
  const std::uint32_t piece = lane.piece.load(std::memory_order_relaxed);
  if (piece == 0) return 3;
  const std::uint32_t most = kUnderWay / piece;
  return most < 1 ? 1 : most >= kMostFences ? kMostFences - 1 : most;
}

/// Waits until the stream has not much under way. What never comes to an end
/// before this thread does something else is not waited for.
void wait_for_work(Seat* seat, std::uint32_t at, std::uint32_t number) {
  constexpr std::uint64_t kLongest = 100'000'000;
  const Lane& lane = *seat->lane;
  const DeviceLimit& limits = account().limits_at(seat->device);
  std::uint32_t seen = lane.done[at].load(std::memory_order_relaxed);
  std::uint64_t since = 0;
  for (Patience patience;; patience.wait()) {
    const std::uint32_t done = lane.done[at].load(std::memory_order_relaxed);
    const std::uint32_t under_way = number - done;
    // Numbers that make no sense are none to wait for.
    if (under_way <= most_fences(lane) || under_way > kNonsense) return;
    if ((limits.turn.load(std::memory_order_relaxed) & TurnWord::kContended) ==
        0) {
      return;
    }
    const std::uint64_t now = nanoseconds();
    if (done != seen || since == 0) {
      seen = done;
      since = now;
    } else if (now - since > kLongest) {
      const Turn turn(seat->is_busy);
      seat->streams[at].stuck_until = now + 10 * kSecond;
      return;
    }
  }
}

/// Sleeps until it is the container's turn. What ends its sleep may be signals
/// alone, so it is time that counts.
void wait_for_turn(Seat* seat) {
  constexpr std::uint64_t kRing = kSecond / 4;
  constexpr timespec kSleep = {0, kRing};
  const Errno kept;
  Lane& lane = *seat->lane;
  const DeviceLimit& limits = account().limits_at(seat->device);
  const std::uint64_t begun = nanoseconds();
  std::uint32_t beat = limits.beat.load();
  std::uint64_t beat_at = begun;
  std::uint64_t rung_at = begun;
  if (lane.waiting.fetch_add(1) == 0) account().ring();
  for (;;) {
    const std::uint32_t word = limits.turn.load();
    if ((word & TurnWord::kClosed) == 0) break;
    // Not libc's: a thread could be cancelled in it.
    syscall(SYS_futex, &limits.turn, FUTEX_WAIT, word, &kSleep, nullptr, 0);
    const std::uint64_t now = nanoseconds();
    const std::uint32_t seen = limits.beat.load();
    if (seen != beat) {
      beat = seen;
      beat_at = now;
    } else if (now - beat_at >= kSecond || now - begun >= kLongestWait) {
      seat->silent_beat.store(std::uint64_t{beat} + 1);
      break;
    }
    if (now - rung_at < kRing) continue;
    rung_at = now;
    account().ring();
  }
  open_gates(seat);  // Of what this thread had held before it waited.
  lane.waiting.fetch_sub(1);
  lane.waits.fetch_add(1, std::memory_order_relaxed);
  lane.waited.fetch_add(nanoseconds() - begun, std::memory_order_relaxed);
}

/// Nobody has given turns for a second. As soon as somebody does, they are
/// taken again.
bool is_node_silent(const Seat& seat, const DeviceLimit& limits) {
  const std::uint64_t silent = seat.silent_beat.load(std::memory_order_relaxed);
  return silent != 0 &&
         silent ==
             std::uint64_t{limits.beat.load(std::memory_order_relaxed)} + 1;
}

/// Who is not given turns any more waits for nobody. By who has the seat.
bool is_beating(Seat* seat, const DeviceLimit& limits, std::uint64_t now) {
  const std::uint32_t beat = limits.beat.load(std::memory_order_relaxed);
  if (beat != seat->beat || seat->beat_at == 0) {
    seat->beat = beat;
    seat->beat_at = now;
  }
  return now - seat->beat_at < kSecond;
}

/// Lets in what is held when it may be, or nobody says when. What to sleep on
/// until then; nothing is held: null.
GateWait tend_gates() {
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
      const bool is_silent =
          !is_beating(&seat, limits, now) || now - seat.held_at >= kLongestWait;
      is_over = is_silent || (word & TurnWord::kClosed) == 0;
      rings = !is_over && now - seat.rung_at >= kSecond / 4;
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

/// A thread that is about to wait leaves word of what it has done, if more than
/// `most` launches have no fence behind them.
void fence_tail(Seat* seat, Place* place, abi::CUcontext context,
                abi::CUstream stream, std::uint32_t most) {
  std::uint32_t at = 0;
  std::uint32_t number = 0;
  {
    const Turn turn(seat->is_busy);
    at = find_stream(seat, context, stream);
    if (at == kLaneStreams) return;
    LaneStream& one = seat->streams[at];
    const std::uint32_t under_way =
        one.asked - seat->lane->done[at].load(std::memory_order_relaxed);
    if (one.since <= most || one.is_fencing || under_way >= 2 * kMostFences ||
        !can_fence(*place)) {
      return;
    }
    one.is_fencing = true;
    one.since = 0;
    number = ++one.asked;
  }
  fence(seat, place, at, stream, number);
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
  one.gated = one.asked;
  one.until = until;
  one.pace_since = 0;  // Time that it waits says nothing of the Device's pace.
  seat->lane->gated[at].store(one.gated);
  seat->lane->until[at].store(until);
  return true;
}

/// Pieces of work that may be held for each stream.
std::uint32_t most_held(const Seat& seat) {
  std::uint32_t held = 0;
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    held += is_held(seat, at) ? 1 : 0;
  }
  const std::uint32_t piece = seat.lane->piece.load(std::memory_order_relaxed);
  const std::uint32_t most =
      piece == 0 ? 2 : kHeld / piece / (held == 0 ? 1 : held);
  return most < 1 ? 1 : most >= kMostFences ? kMostFences - 1 : most;
}

/// The program goes on while its work waits: the Device holds it at a gate. It
/// is there at once when it is let in, and the program is not kept from what it
/// does besides. False: not so, or as much is held as may be.
bool hold(Seat* seat, Place* place, abi::CUcontext context,
          abi::CUstream stream) {
  std::uint32_t at = 0;
  std::uint32_t until = 0;
  {
    const Turn turn(seat->is_busy);
    at = find_stream(seat, context, stream);
    if (at == kLaneStreams) return false;
    const LaneStream& one = seat->streams[at];
    if (is_held(*seat, at)) {
      return one.asked - one.gated < most_held(*seat) && one.since < kMostEvery;
    }
  }
  if (!can_fence(*place) ||
      !is_past(place->gates_from.load(std::memory_order_relaxed)) ||
      !keep_gates(&tend_gates)) {
    return false;
  }
  fence_tail(seat, place, context, stream, 0);
  {
    const Turn turn(seat->is_busy);
    LaneStream& one = seat->streams[at];
    const bool is_its_own =
        one.context == context && one.stream == stream && !one.is_fencing;
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
  if (!keep_gates(&tend_gates)) open_gates(seat);
  const DeviceLimit& limits = account().limits_at(seat->device);
  if ((limits.turn.load() & TurnWord::kClosed) == 0) {
    open_gates(seat);  // It was opened meanwhile.
  } else {
    account().ring();
  }
  return true;
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
  const std::uint32_t word = limits.turn.load(std::memory_order_relaxed);
  if (word == 0) return;
  seat_ = seat;
  place_ = place;
  context_ = context;
  if ((word & TurnWord::kClosed) == 0 || is_node_silent(*seat, limits)) return;
  if (may_hold == MayHold::kYes && hold(seat, place, context, stream)) return;
  fence_tail(seat, place, context, stream, 0);
  wait_for_turn(seat);
}

void Passage::end() {
  if (seat_ == nullptr) return;
  Seat& seat = *seat_;
  seat.lane->launches.fetch_add(1, std::memory_order_relaxed);
  std::uint32_t at = 0;
  std::uint32_t number = 0;
  bool is_full = false;
  bool is_waited_for = false;
  {
    const Turn turn(seat.is_busy);
    at = find_stream(&seat, context_, stream_);
    if (at == kLaneStreams) {
      seat.lane->unfenced.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    LaneStream& one = seat.streams[at];
    ++one.count;
    ++one.since;
    set_tail(seat.lane, at, true);
    const std::uint32_t under_way =
        one.asked - seat.lane->done[at].load(std::memory_order_relaxed);
    if (one.since < seat.every || one.is_fencing || !can_fence(*place_)) return;
    const std::uint64_t now = nanoseconds();
    is_full = under_way >= kMostFences;
    if (!is_full) {
      keep_pace(&seat, at, now);
      one.is_fencing = true;
      one.since = 0;
      ++one.asked;
    }
    number = one.asked;
    is_waited_for = now >= one.stuck_until && !is_held(seat, at) &&
                    is_beating(&seat, account().limits_at(seat.device), now);
  }
  if (!is_full) fence(seat_, place_, at, stream_, number);
  const std::uint32_t word =
      account().limits_at(seat.device).turn.load(std::memory_order_relaxed);
  if ((word & TurnWord::kContended) != 0 && is_waited_for) {
    wait_for_work(&seat, at, number);
  }
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
  const Turn turn(seat.is_busy);
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
  Place* const place = find_place(reinterpret_cast<abi::CUcontext>(context));
  if (place != nullptr) place->endings.fetch_add(1);
}

void resume_passages(std::uint64_t context, bool is_alive) {
  auto* const handle = reinterpret_cast<abi::CUcontext>(context);
  if (context == 0 || DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kPlaces);
  Place* const place = find_place(handle);
  if (place == nullptr) return;
  if (place->endings.load() > 0) place->endings.fetch_sub(1);
  if (is_alive) return;
  if (place->seat != nullptr) {
    Seat& seat = *place->seat;
    const Turn seat_turn(seat.is_busy);
    for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
      LaneStream& one = seat.streams[at];
      if (one.context != handle) continue;
      // What it had under way ended with it. The place is anybody's.
      one.since = 0;
      one.stream = nullptr;
      one.thread = &one;
      set_tail(seat.lane, at, false);
      seat.lane->done[at].store(one.asked);
    }
  }
  if (place->page != nullptr) Lanes::unmap(place->page);
  place->page = nullptr;
  place->seat = nullptr;
  place->context.store(nullptr, std::memory_order_release);
}

void forget_passages() {
  // A thread of the parent may have been in the midst of it.
  for (Place& place : places) {
    place.context.store(nullptr, std::memory_order_relaxed);
    place.seat = nullptr;
    place.page = nullptr;
    place.fences_from.store(Place::kNever, std::memory_order_relaxed);
  }
  DriverTurn::forget(Kept::kPlaces);
  forget_gate_keeper();
  places_from.store(0, std::memory_order_relaxed);
  for (Seat& seat : seats) {
    seat.is_busy.store(false, std::memory_order_relaxed);
    seat.lane = nullptr;
    seat.every = 1;
    seat.silent_beat.store(0, std::memory_order_relaxed);
    seat.beat_at = 0;
    seat.streams = {};
  }
}

}  // namespace gpunode::share
