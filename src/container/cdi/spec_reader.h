// CDI specs as files have them, JSON or YAML.
#pragma once

#include <string_view>

#include "base/core/result.h"
#include "container/cdi/spec.h"

namespace gpunode::cdi {

/// Reads one spec, JSON or YAML by its content, and validates it as the CDI
/// specification wants. `file_name` is for messages only. Fails with one line:
/// "/etc/cdi/a.yaml:9:7: devices[0].name: \"a b\" has \" \"". kUnsupported is
/// a right spec that asks for what gpunode cannot give to a container.
Result<Spec> read_spec(std::string_view text, std::string_view file_name);

}  // namespace gpunode::cdi
