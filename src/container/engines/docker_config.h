// A runtime in Docker's daemon.json. Pure: text in, text out.
#pragma once

#include <optional>
#include <string>

#include "base/core/result.h"
#include "container/engines/plan.h"
#include "container/engines/request.h"

namespace gpunode::engines {

/// Plans the change of the file at `path` whose text is `config` (nothing: no
/// such file). Features that are on stay on. Fails with kCorrupt and Go's
/// words if the text is no JSON object.
Result<EnginePlan> plan_docker(const std::string& path,
                               const std::optional<std::string>& config,
                               const RuntimeRequest& request);

}  // namespace gpunode::engines
