// Which branch of the driver a CUDA toolkit's programs run on.
#pragma once

#include <string_view>

namespace gpunode::driver {

/// The first branch that runs what the toolkit `version` ("13.0") makes: by
/// "CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version
/// Compatibility" in its release notes. 0 for a toolkit that is not known here.
int first_branch_for_cuda(std::string_view version);

/// The newest major version of CUDA that `branch` runs; 0: none known here.
int newest_cuda_of(int branch);

}  // namespace gpunode::driver
