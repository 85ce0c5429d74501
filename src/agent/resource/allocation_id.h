// The name of what an allocation leaves behind (docs/adr/0006).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gpunode::resource {

/// A UUID that follows from the resource name and the set of ids alone: the
/// order of `ids` and repetitions do not matter. Equal for a container restart,
/// an init container whose ids are reused and a replay after a reboot. In the
/// form of RFC 9562, version 8 ("custom"), lower case.
std::string allocation_id(std::string_view resource_name,
                          const std::vector<std::string>& ids);

}  // namespace gpunode::resource
