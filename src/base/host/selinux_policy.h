// What SELinux's policy says about paths.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"

namespace gpunode::host {

/// Path -> the label that the policy has for it
/// ("system_u:object_r:etc_t:s0"), by one call of matchpathcon(8) of
/// libselinux's own tools. A path for which it has none is left out. What is
/// there at a path is taken into account: a file's label may be another than a
/// directory's. The error of the call, where it cannot be made.
Result<std::map<std::string, std::string>> policy_labels(
    CommandRunner& runner, const std::vector<std::string>& paths);

/// Whether two labels are the same for the policy's decisions: who made a file
/// (the user, up to the first colon) plays no part in them.
bool is_same_label(std::string_view a, std::string_view b);

}  // namespace gpunode::host
