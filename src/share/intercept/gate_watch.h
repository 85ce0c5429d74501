// Work that the Device holds for a turn is let in if the node gives none any
// more, whatever the program waits for.
#pragma once

namespace gpunode::share {

/// Looks; true if there is anything to look after.
using LookAtGates = bool (*)();

/// Has a thread of this process call `look` four times a second, until it says
/// that there is nothing to look after; so before each time that there is. It
/// takes no signals. False if there can be no thread.
bool watch_gates(LookAtGates look);

/// In the child of a fork, which has none.
void forget_gate_watch();

}  // namespace gpunode::share
