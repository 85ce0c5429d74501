// NVIDIA_REQUIRE_*: what an image asks of the driver before it is started.
//
// The language, from NVIDIA's container documentation: "cuda>=12.4
// brand=tesla,driver>=470,driver<471". A space means or, a comma means and; a
// condition is a property, one of != <= >= = < > and a value. Properties are
// cuda, driver and arch (versions) and brand (a word).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::oci {

/// What is known of this host. Absent is unknown, which satisfies nothing and
/// contradicts nothing.
struct RequirementFacts {
  std::string driver_version;      ///< "550.163.01"; empty: unknown.
  std::string cuda_version;        ///< "12.4"; empty: unknown.
  bool is_cuda_at_least = false;   ///< The driver's CUDA may be newer.
  std::string compute_capability;  ///< Of the GPUs, "9.0"; empty: unknown.
  /// "tesla": what the GPU's may be, one of these; empty: unknown.
  std::vector<std::string> brands;

  bool operator==(const RequirementFacts&) const = default;
};

enum class Verdict {
  kMet,
  kUnmet,    ///< Whatever is unknown cannot make it true.
  kUnknown,  ///< It rests on what nobody has told us.
};

/// Judges one expression. kInvalidArgument, with the place in it, if it is not
/// one. An empty expression and one of unknown properties alone is not unmet.
Result<Verdict> judge(std::string_view expression,
                      const RequirementFacts& facts);

/// The CUDA version that a driver's libcuda brings: NVIDIA gives each driver
/// branch one, and nothing outside the driver library tells it. From "CUDA
/// Toolkit and Corresponding Driver Versions" in the release notes of the CUDA
/// toolkit (docs.nvidia.com/cuda/cuda-toolkit-release-notes), and for branches
/// without a toolkit of their own (565) from the driver's own release notes.
struct DriverCuda {
  std::string version;       ///< Empty: an unknown branch.
  bool is_at_least = false;  ///< The branch is newer than the table.
};
DriverCuda cuda_of_driver(std::string_view driver_version);

}  // namespace gpunode::oci
