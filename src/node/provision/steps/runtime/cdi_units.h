// The units of deploy/systemd, for a host that no package of ours brought them
// to.
#pragma once

#include <string>
#include <vector>

#include "node/provision/step.h"

namespace gpunode::provision {

inline constexpr const char* kRefreshUnit = "gpunode-cdi-refresh.service";
inline constexpr const char* kRefreshPath = "gpunode-cdi-refresh.path";

struct CdiUnit {
  std::string path;  ///< "/etc/systemd/system/gpunode-cdi-refresh.service".
  std::string content;
};

/// The units that keep the node's CDI spec, and its links below /dev/char if
/// `has_device_links`; and the udev rules that start them. `program` is the
/// gpunode that they start, an absolute path.
std::vector<CdiUnit> cdi_units(const std::string& program,
                               bool has_device_links);

/// The driver runs, or a Step of the same run loads it. Facts: the module
/// "nvidia".
bool will_have_driver(const PlanInput& input);

}  // namespace gpunode::provision
