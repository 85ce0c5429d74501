// This process on one Device whose time is shared: what it has under way there,
// by stream, and how fast the Device gets on with it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/ledger/lane.h"
#include "share/ledger/limits.h"

namespace gpunode::share {

/// With more launches between fences a change to longer kernels would be seen
/// too late.
inline constexpr std::uint32_t kMostEvery = 32;
/// Fences that may be under way: each takes a place in the driver's queue, of
/// which there are about a thousand, and a program may fill them with work that
/// waits for the program itself.
inline constexpr std::uint32_t kMostFences = 8;
/// Likewise, of work that is held: a program that is slow to launch is to go on
/// through the turn of another.
inline constexpr std::uint32_t kMostHeld = 15;
inline constexpr std::uint64_t kSecond = 1'000'000'000;

/// A stream whose work is told apart, by its place in the lane.
struct LaneStream {
  abi::CUcontext context = nullptr;  ///< Null: free.
  abi::CUstream stream = nullptr;
  const void* thread = nullptr;   ///< Of a stream that each thread has.
  std::uint32_t asked = 0;        ///< Fences.
  std::uint32_t since = 0;        ///< Launches behind the last one.
  std::uint32_t count = 0;        ///< Launches.
  std::uint32_t gated = 0;        ///< Fences before the last gate.
  std::uint32_t gated_count = 0;  ///< Launches before it.
  std::uint32_t until = 0;        ///< The opening that it waits for.
  bool is_fencing = false;        ///< A thread asks for one.
  /// Its work waits for something that comes after it: not waited for until
  /// then.
  std::uint64_t stuck_until = 0;
  /// Since when, and from which fence on, the Device's pace is measured.
  std::uint64_t pace_since = 0;
  std::uint32_t pace_from = 0;
  std::uint32_t pace_count = 0;     ///< Its launches then,
  std::uint32_t pace_launches = 0;  ///< and those of all streams.

  /// It is another stream's from now on. The numbers of the lane go on, so that
  /// what is written late is told from what is written then; and so does
  /// `since`, for the next fence comes when it would have come.
  void begin_anew(abi::CUcontext its_context, abi::CUstream its_stream,
                  const void* its_thread);
};

/// This process on one Device.
struct Seat {
  std::atomic<bool> is_busy = false;  ///< What follows has one thread.
  Lane* lane = nullptr;               ///< Null: not claimed, or there is none.
  std::uint32_t device = 0;
  std::uint32_t every = 1;     ///< Launches from fence to fence.
  std::uint32_t launches = 0;  ///< For all streams.
  std::uint32_t unfenced = 0;  ///< Of them, since any stream's last fence.
  std::uint32_t awaited = 0;   ///< Of them, by the program's last wait.
  /// What a launch costs the Device in nanoseconds, lately: in the mean, and of
  /// the longest. 0: not known.
  std::uint32_t mean_cost = 0;
  std::uint32_t most_cost = 0;
  std::uint32_t given_away = kLaneStreams - 1;  ///< The last such place.
  /// One more than the beat at which the node was found to have gone.
  std::atomic<std::uint64_t> silent_beat = 0;
  std::uint32_t beat = 0;  ///< As last seen by who has much under way.
  std::uint64_t beat_at = 0;
  std::uint64_t held_at = 0;  ///< Since when anything is held.
  std::uint64_t rung_at = 0;  ///< For that.
  std::array<LaneStream, kLaneStreams> streams = {};
};

/// By number in the limits.
// NOLINTNEXTLINE(bugprone-dynamic-static-initializers): it is constinit.
extern std::array<Seat, kMostDevices> seats;

/// CLOCK_MONOTONIC.
std::uint64_t nanoseconds();

/// Which thread it is, for a stream that each has.
const void* thread_of(abi::CUstream stream);

// What follows is for who has the seat, but open_gates(), which takes it.

/// What is launched into the stream waits for a turn.
bool is_held(const Seat& seat, std::uint32_t at);
bool holds_any(const Seat& seat);
/// Other streams' work is held and this one's is not: it may come to stand
/// behind theirs, by events, as the null stream's does, or for the Device has
/// no more queues. A fence there would not tell of what went before.
bool stands_behind_a_gate(const Seat& seat, std::uint32_t at);
/// Lets in what waits behind gates: it is this container's turn, or nobody says
/// whose it is.
void open_gates(Seat* seat);
/// Where the stream is in the lane, from now on; kLaneStreams: all places are
/// of streams that work.
std::uint32_t find_stream(Seat* seat, abi::CUcontext context,
                          abi::CUstream stream);
/// Whether the stream has work behind its last fence.
void set_tail(Lane* lane, std::uint32_t at, bool has_one);
/// Fits the launches from fence to fence to what the Device makes of them.
/// Before the stream's next fence.
void keep_pace(Seat* seat, std::uint32_t at, std::uint64_t now);
/// Likewise, when the program has waited so many nanoseconds for its work: of
/// who waits for each long launch no fence may tell. Launches of all streams
/// count: the Device may have been at any of them.
void learn_from_wait(Seat* seat, std::uint64_t waited);
/// This thread is to ask for the stream's next fence.
void begin_fence(Seat* seat, std::uint32_t at);
/// Work that may be under way, in fences.
std::uint32_t most_fences(const Lane& lane);
/// Whether more may be held for the stream, of whose work some is.
bool may_hold_more(const Seat& seat, std::uint32_t at);
/// Who is not given turns any more waits for nobody.
bool is_beating(Seat* seat, const DeviceLimit& limits, std::uint64_t now);
/// Nobody has given turns for a second. As soon as somebody does, they are
/// taken again.
bool is_node_silent(const Seat& seat, const DeviceLimit& limits);

/// In the child of a fork, which has nothing under way.
void forget_seats();

}  // namespace gpunode::share
