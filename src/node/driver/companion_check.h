// What the owner wishes to run beside the driver, against what machine and
// branch have for it.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "node/driver/driver_choice.h"

namespace gpunode::driver {

/// Pure. What is to be said of it, a sentence each. kUnsupported for what would
/// be installed and never run, with what to say instead.
Result<std::vector<std::string>> check_companions(const facts::HostFacts& host,
                                                  const Wish& wish, int branch);

}  // namespace gpunode::driver
