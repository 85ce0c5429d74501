// Who lets in what the Device holds for a turn, while the program does what it
// does.
#pragma once

#include <cstdint>

#include "share/ledger/lane.h"

namespace gpunode::share {

/// A word to sleep on while it has this value; null: nothing is held.
struct GateWait {
  const SmallWord* word = nullptr;
  std::uint32_t value = 0;
};
/// `was_woken`: the word was said to have changed.
using TendGates = GateWait (*)(bool was_woken);

/// Has a thread of this process call `tend` whenever its word changes, and four
/// times a second, until nothing is held; so before anything is, and again
/// after. The thread takes no signals. False: there can be none, or not yet.
/// `let_in` is called if there can be none and others have relied on it.
bool keep_gates(TendGates tend, void (*let_in)());

/// In the child of a fork, which has no such thread.
void forget_gate_keeper();

}  // namespace gpunode::share
