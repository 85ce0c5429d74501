// The family of a GPU, as in the label nvidia.com/gpu.family.
#pragma once

#include <string_view>

namespace gpunode::labels {

/// "hopper" and so on, from the compute capability; "undefined" for one that
/// NVIDIA's GPU feature discovery does not know either.
std::string_view family_of(int compute_major, int compute_minor);

}  // namespace gpunode::labels
