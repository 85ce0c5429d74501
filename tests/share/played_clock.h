// The monotonic clock of this program and of all libraries in it, which can be
// stopped: then time goes by as a test says, however long it takes itself.
#pragma once

#include <cstdint>

namespace gpunode::share {

/// From now on it stands still.
void stop_clock();
/// A stopped one goes on by so much at once.
void set_clock_on(std::uint64_t milliseconds);
/// How often anybody has asked what time it is.
std::uint64_t clock_looks();

}  // namespace gpunode::share
