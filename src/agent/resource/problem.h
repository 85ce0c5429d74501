// Problem: what of the node is not offered as configured, and why.
#pragma once

#include <string>
#include <vector>

namespace gpunode::resource {

/// Where NVIDIA's plugin ends the whole process, this room leaves out as
/// little as it safely can and says so. The one thing never done instead is
/// to offer more than was configured: a Device that should be shared is not
/// offered unshared, nor the other way round.
struct Problem {
  enum class Effect {
    kDeviceLeftOut,    ///< One Device is not offered; the rest are.
    kResourceLeftOut,  ///< The Resource is not offered; others are.
  };

  Effect effect = Effect::kDeviceLeftOut;
  std::string resource;  ///< "nvidia.com/gpu"; empty: not known which.
  std::string message;   ///< NVIDIA's words, where it has some.
};

using Problems = std::vector<Problem>;

}  // namespace gpunode::resource
