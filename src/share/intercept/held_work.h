// Work that the Device is to tell the end of, and work that it holds until it
// is this container's turn.
#pragma once

#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/intercept/place.h"
#include "share/intercept/seat.h"

namespace gpunode::share {

/// Whose turn is longer in coming goes without: the node does not know of this
/// process, or those of a higher priority leave nothing. Nobody hangs.
inline constexpr std::uint64_t kLongestWait = 30 * kSecond;

/// In doubt it is. The null stream is no stream to ask about while another is
/// captured.
bool may_be_captured(abi::CUstream stream);
/// Has the Device write a number behind what is in the stream. `at` is being
/// fenced by this thread.
void fence(Seat* seat, Place* place, std::uint32_t at, abi::CUstream stream,
           std::uint32_t number);
/// A thread that is about to wait leaves word of what it has done, if more than
/// `most` launches have no fence behind them.
void fence_tail(Seat* seat, Place* place, abi::CUcontext context,
                abi::CUstream stream, std::uint32_t most);
/// The program goes on while its work waits: the Device holds it at a gate. It
/// is there at once when it is let in, and the program is not kept from what it
/// does besides. False: not so, or as much is held as may be.
bool hold(Seat* seat, Place* place, abi::CUcontext context,
          abi::CUstream stream);

}  // namespace gpunode::share
