// From tokens to a Spec that holds what the CDI specification promises.
#pragma once

#include <string_view>

#include "base/core/result.h"
#include "container/cdi/spec.h"
#include "container/cdi/tokens.h"

namespace gpunode::cdi {

/// Decodes and validates. Unknown fields are errors, as in CDI's own library,
/// unless the spec's version is one that we do not know yet. The first fault
/// fails with kCorrupt, or kUnsupported for what is right but which we cannot
/// give to a container (intelRdt, netDevices); one line: file, line, column,
/// the field's path, what is wrong with it.
Result<Spec> decode_spec(const Tokens& tokens, std::string_view file_name);

}  // namespace gpunode::cdi
