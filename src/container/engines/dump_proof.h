// Did an engine understand a change as it was meant? Judged by its own dump of
// what it would run with, before and after.
#pragma once

#include <string_view>

#include "base/core/result.h"
#include "container/engines/request.h"

namespace gpunode::engines {

/// Fails with kCorrupt, naming keys, if `after` does not have what `request`
/// asks or differs from `before` in anything else. Both are the output of
/// `containerd config dump`, whose version may be newer than the file's.
Result<void> prove_containerd(std::string_view before, std::string_view after,
                              const RuntimeRequest& request);

}  // namespace gpunode::engines
