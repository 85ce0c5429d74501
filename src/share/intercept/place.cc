#include "share/intercept/place.h"

#include <array>
#include <cstddef>

#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver.h"
#include "share/intercept/driver_turn.h"
#include "share/intercept/relaxed_capture.h"
#include "share/intercept/turn.h"

namespace gpunode::share {
namespace {

constexpr std::size_t kMostPlaces = 16;

constinit std::array<Place, kMostPlaces> places;
/// Before then no place can be made.
constinit std::atomic<std::uint64_t> places_from = 0;

}  // namespace

bool is_past(std::uint64_t from) {
  return from == 0 || (from != Place::kNever && nanoseconds() >= from);
}

std::uint64_t next_try(int* failures) {
  constexpr int kMostFailures = 8;
  ++*failures;
  return *failures < kMostFailures ? nanoseconds() + kSecond : Place::kNever;
}

bool can_fence(const Place& place) {
  return place.endings.load(std::memory_order_relaxed) == 0 &&
         !place.has_failed.load(std::memory_order_relaxed) &&
         is_past(place.fences_from.load(std::memory_order_relaxed));
}

Place* find_place(abi::CUcontext context) {
  for (Place& place : places) {
    if (place.context.load(std::memory_order_acquire) == context) return &place;
  }
  return nullptr;
}

namespace {

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
  place->has_failed.store(false, std::memory_order_relaxed);
  place->endings.store(0, std::memory_order_relaxed);
  place->gate_failures = 0;
  place->gates_from.store(is_known ? 0 : Place::kNever,
                          std::memory_order_relaxed);
  place->fences_from.store(is_known ? 0 : Place::kNever,
                           std::memory_order_relaxed);
  place->context.store(context, std::memory_order_release);
  return place;
}

}  // namespace

Place* place_of(abi::CUcontext context) {
  Place* const place = find_place(context);
  return place != nullptr ? place : make_place(context);
}

void end_work(Place* place) {
  abi::CUcontext const handle = place->context.load();
  Seat& seat = *place->seat;
  const Turn seat_turn(seat.is_busy);
  for (std::uint32_t at = 0; at < kLaneStreams; ++at) {
    LaneStream& one = seat.streams[at];
    if (one.context != handle) continue;
    one.since = 0;
    set_tail(seat.lane, at, false);
    seat.lane->done[at].store(one.asked);
  }
}

void end_place(Place* place) {
  if (place->seat != nullptr) {
    end_work(place);
    abi::CUcontext const handle = place->context.load();
    Seat& seat = *place->seat;
    const Turn seat_turn(seat.is_busy);
    for (LaneStream& one : seat.streams) {
      if (one.context != handle) continue;
      // The place is anybody's.
      one.stream = nullptr;
      one.thread = &one;
      const auto at = static_cast<std::size_t>(&one - seat.streams.data());
      one.until = seat.lane->opened.load();
      seat.lane->until[at].store(one.until);
    }
  }
  if (place->page != nullptr) Lanes::unmap(place->page);
  place->page = nullptr;
  place->seat = nullptr;
  place->context.store(nullptr, std::memory_order_release);
}

void forget_places() {
  for (Place& place : places) {
    place.context.store(nullptr, std::memory_order_relaxed);
    place.seat = nullptr;
    place.page = nullptr;
    place.fences_from.store(Place::kNever, std::memory_order_relaxed);
  }
  DriverTurn::forget(Kept::kPlaces);
  places_from.store(0, std::memory_order_relaxed);
}

}  // namespace gpunode::share
