// What an NVML call answered, as a name and as an Error.
#pragma once

#include <string>
#include <string_view>

#include "base/core/error.h"
#include "gpu/abi/nvml.h"

namespace gpunode::nvml {

/// The constant's name as NVIDIA's Go tools print it: "ERROR_GPU_IS_LOST". A
/// code this header does not know is "ERROR_<number>".
std::string name_of(nvmlReturn_t code);

/// Of a code that is not NVML_SUCCESS. The message is "attempted: NAME".
Error error_of(std::string_view attempted, nvmlReturn_t code);

/// Codes that say "not on this GPU, driver or platform" rather than "failed".
bool is_unsupported(nvmlReturn_t code);

}  // namespace gpunode::nvml
