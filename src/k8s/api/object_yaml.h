// Objects of the API as YAML, for `kubectl apply -f -`.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::kube {

/// `json`, one object, as a YAML document in the order of its members
/// (base/text/yaml_writer.h).
Result<std::string> object_yaml(std::string_view json);

}  // namespace gpunode::kube
