// NVIDIA_REQUIRE_*, held against this host and the GPUs of a container.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "apps/runtime/report.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "container/cdi/spec.h"

namespace gpunode::runtime {

/// Fails with what is not met, in NVIDIA's words, and what is here. A condition
/// on what nobody can tell without the driver library refuses nobody: it is
/// reported. The GPUs are those whose device nodes are in `edits`; each must
/// meet the requirements. They are looked at only if the driver alone does not
/// decide.
Result<void> check_requirements(std::span<const std::string> requirements,
                                std::span<const cdi::ContainerEdits> edits,
                                const host::HostRoot& host, Report& report);

}  // namespace gpunode::runtime
