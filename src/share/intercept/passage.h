// The way of work to a Device whose time is shared (docs/adr/0028): it waits
// until it is this container's turn, and leaves word of how far the Device has
// come with it.
#pragma once

#include <array>
#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/intercept/fault.h"
#include "share/ledger/lane.h"

namespace gpunode::share {

struct Seat;
struct Place;

/// What a form of a call takes the null stream for.
enum class Null : std::uint8_t { kLegacy, kOfThread };

/// The stream by a handle that means the same in every form, and is the only
/// one of that stream.
inline abi::CUstream stream_of(abi::CUstream stream, Null null) {
  constexpr std::uintptr_t kLegacy = 1;     // CU_STREAM_LEGACY.
  constexpr std::uintptr_t kPerThread = 2;  // CU_STREAM_PER_THREAD.
  if (reinterpret_cast<std::uintptr_t>(stream) == kLegacy) return nullptr;
  const bool is_of_thread = stream == nullptr && null == Null::kOfThread;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): that is the handle.
  return is_of_thread ? reinterpret_cast<abi::CUstream>(kPerThread) : stream;
}

/// Whether the Device may hold the work in place of the program: not what the
/// program waits for in the same call.
enum class MayHold : std::uint8_t { kNo, kYes };

/// One piece of work for a stream of the current context. It holds nothing that
/// the program or another thread could wait for.
class Passage {
 public:
  /// Waits for the container's turn, or has the Device wait. Not for what is
  /// captured, which goes to no Device; nor where no turns are taken, nobody
  /// can wait for them or the node gives none any more.
  explicit Passage(abi::CUstream stream, MayHold may_hold = MayHold::kYes);
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  ~Passage() = default;

  /// The driver has taken it. May wait until not too much is under way, where
  /// others want the Device.
  void end();

 private:
  Seat* seat_ = nullptr;  ///< Null: not in turns.
  Place* place_ = nullptr;
  abi::CUcontext context_ = nullptr;
  abi::CUstream stream_;
};

/// `ask()` gives the driver work for `stream`.
template <typename Ask>
abi::CUresult pass(abi::CUstream stream, MayHold may_hold, Ask ask) {
  Passage passage(stream, may_hold);
  const abi::CUresult result = ask();
  if (result == abi::CUDA_SUCCESS) passage.end();
  return noted(result);
}

/// While the program waits for all work of a stream, or of the current context:
/// what was under way before is done then. Until then the node is told, if much
/// has no fence behind it.
class Awaited {
 public:
  enum class All : std::uint8_t { kStream, kContext };
  explicit Awaited(All all, abi::CUstream stream = nullptr);
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;
  ~Awaited() = default;

  void end();

 private:
  bool is_of(std::uint32_t at) const;

  Seat* seat_ = nullptr;  ///< Null: not in turns.
  abi::CUcontext context_ = nullptr;
  abi::CUstream stream_;
  All all_;
  std::uint64_t begun_ = 0;  ///< 0: it may wait for a turn, too.
  /// Work so far, by stream; what came since may not be done.
  std::array<std::uint32_t, kLaneStreams> counts_ = {};
};

/// Before the driver is asked to destroy a stream of the current context: its
/// handle may be another's soon, and its work may go on.
void retire_stream(abi::CUstream stream);

/// Before the driver is asked to end a context, by its key: nothing of ours is
/// given to it. After: it goes on where it was, or is forgotten.
void suspend_passages(std::uint64_t context);
void resume_passages(std::uint64_t context, bool is_alive);

/// In the child of a fork, which has none of its parent's.
void forget_passages();

}  // namespace gpunode::share
