// How a Pod ranks, by its PriorityClass.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::kube {

/// spec.priority of a Pod's JSON: the number of its PriorityClass, which
/// admission resolves when the Pod is made and nobody can change then. 0 where
/// there is none. kCorrupt: it is no Pod, or no such number.
Result<std::int32_t> read_pod_priority(std::string_view json);

}  // namespace gpunode::kube
