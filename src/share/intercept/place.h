// Contexts of this process, as far as turns are taken in them.
#pragma once

#include <atomic>
#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/intercept/seat.h"

namespace gpunode::share {

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
  /// Its work is over, and it takes no more: it has no fences and needs no
  /// turns. The driver may have said so of another's, so until something is
  /// launched there after all.
  std::atomic<bool> has_failed = false;
  int failures = 0;  ///< Fences that could not be had.
  int gate_failures = 0;
};

/// Null: nothing was launched there yet. Any thread.
Place* find_place(abi::CUcontext context);
/// Of the current context, made if need be. Null where no more contexts can be
/// told apart, or the account has no slot for this process.
Place* place_of(abi::CUcontext context);

/// A time of a Place's has come.
bool is_past(std::uint64_t from);
/// Again in a second, if it has not failed too often.
std::uint64_t next_try(int* failures);
/// Fences may be asked for in its streams.
bool can_fence(const Place& place);

/// What its context had under way, or held, is over.
void end_work(Place* place);
/// Its context has ended. By who has the turn of places.
void end_place(Place* place);

/// In the child of a fork, which has none of its parent's.
void forget_places();

}  // namespace gpunode::share
