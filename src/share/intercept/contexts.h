// Contexts: what one takes of a device, and which of a process are primary.
#pragma once

#include <cstdint>

#include "gpu/abi/cuda.h"
#include "share/intercept/owned_turn.h"

namespace gpunode::share {

/// Bytes that a context takes of the device: as the node has measured it, else
/// as it was measured on such a device, else 0. Not known is not charged, but
/// by the node, as all that the driver says a process holds besides.
std::uint64_t context_bytes(abi::CUdevice device);

/// An attribute of the device; 0 if the driver does not tell.
std::uint64_t attribute_of(abi::CUdevice device,
                           abi::CUdevice_attribute attribute);

/// Of this thread; null: there is none.
abi::CUcontext current_context();

/// False: the driver does not tell.
bool device_of(abi::CUcontext context, abi::CUdevice* device);

/// A context as the owner of blocks, and the key of its own.
inline std::uint64_t key_of(abi::CUcontext context) {
  return reinterpret_cast<std::uint64_t>(context);
}

/// The primary context of a device, made and ended by who has the turn.
struct Primary {
  OwnedWord turn;
  std::uint64_t key = 0;  ///< 0: there is none, as far as we saw.
};

/// Null for a device that there can't be.
Primary* primary_of(abi::CUdevice device);

/// Held while a limit of a context is set: what is charged for it is changed by
/// more than one step.
OwnedWord& limit_turn();

/// This thread has one of these turns, or one of those amid which the library
/// asks the driver: it is in a callback of the program's. It must wait for
/// none, for who has that may wait for it: the driver is asked and nothing
/// noted.
bool is_amid_contexts();

/// In the child of a fork, which has none of its parent's.
void forget_contexts();

}  // namespace gpunode::share
