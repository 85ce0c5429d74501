// What dnf and zypper share: rpm beneath them.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/provision/packages/package.h"
#include "node/provision/packages/tool_runner.h"

namespace gpunode::packages {

/// PackageManager::observe() by one `rpm -qa`.
Result<Observation> observe_rpms(ToolRunner& runner,
                                 const std::vector<std::string>& names);

/// PackageManager::trust() by `rpm --import`.
Result<void> import_rpm_key(ToolRunner& runner, const std::string& key_file);

/// Those of `fingerprints` (40 hex digits each) that rpm's database of keys
/// has.
Result<std::vector<std::string>> known_rpm_keys(
    ToolRunner& runner, const std::vector<std::string>& fingerprints);

/// Takes keys out of it by `rpm --erase`; of those that are not in it nothing
/// is to be done.
Result<void> erase_rpm_keys(ToolRunner& runner,
                            const std::vector<std::string>& fingerprints);

/// A package's script that failed in a run that the tool calls a success.
Result<void> check_scripts(Tool tool, const host::Completed& completed);

}  // namespace gpunode::packages
