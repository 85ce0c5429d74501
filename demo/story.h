// The main job, told: a file says what a host is to become, gpunode makes it
// so, its node offers shares of its GPU, a Pod gets one and computes with it,
// and what must not happen is refused.
#pragma once

#include "demo/programs.h"
#include "demo/screen.h"
#include "demo/workplace.h"

namespace gpunode::demo {

/// Plays it. What was claimed and did not hold is on the screen; the caller
/// asks screen.all_true().
void tell(const Programs& programs, const Workplace& workplace, Screen& screen);

}  // namespace gpunode::demo
