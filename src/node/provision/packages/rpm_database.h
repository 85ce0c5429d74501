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

/// A package's script that failed in a run that the tool calls a success.
Result<void> check_scripts(Tool tool, const host::Completed& completed);

/// kUnsupported if the host's dnf is dnf5.
Result<void> check_dnf4(const host::HostRoot& host);

}  // namespace gpunode::packages
