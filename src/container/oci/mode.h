// How a request is served: from the CDI specs on the node, or from a spec made
// for it on the spot.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "container/oci/container_request.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::oci {

enum class Mode { kAuto, kCdi, kJitCdi, kLegacy, kCsv };

enum class Source {
  kNothing,   ///< No device is asked for.
  kSpecs,     ///< `names` are qualified names of CDI specs (mode cdi).
  kJustMade,  ///< `devices` are the driver's own (modes jit-cdi, legacy).
};

struct Plan {
  Source source = Source::kNothing;
  std::vector<std::string> names;
  DeviceList devices;
};

/// The kind whose devices are always made on the spot.
inline constexpr std::string_view kJustMadeKind = "runtime.nvidia.com/gpu";

/// kInvalidArgument in NVIDIA's words for kinds that do not mix; kUnsupported
/// for csv.
Result<Plan> make_plan(Mode mode, const ContainerRequest& request,
                       const ToolkitConfig& rules);

/// kCdi or kLegacy if a program of this name has its mode fixed, else
/// config.toml's. kInvalidArgument, "invalid mode", for one that is none.
Result<Mode> mode_of_program(std::string_view program_path,
                             const ToolkitConfig& rules);

}  // namespace gpunode::oci
