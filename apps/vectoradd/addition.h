// The test itself: two vectors, one kernel, every element checked.
#pragma once

#include "apps/vectoradd/driver.h"
#include "apps/vectoradd/exit_code.h"
#include "apps/vectoradd/options.h"

namespace gpunode::vectoradd {

/// Runs the addition on `options.device` and prints what the CUDA sample
/// prints. On failure the complaint has been written and the code says which
/// kind it was. Everything acquired is released.
ExitCode run_addition(const Driver& driver, const Options& options);

}  // namespace gpunode::vectoradd
