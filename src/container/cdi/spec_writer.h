// A CDI spec as text, in the layout that NVIDIA's tools give it.
#pragma once

#include <string>
#include <string_view>

#include "container/cdi/spec.h"

namespace gpunode::cdi {

/// YAML: "---" first, four spaces of indentation, cdiVersion, kind, devices and
/// containerEdits in this order, a newline at the end. Reads back as `spec`.
std::string write_yaml(const Spec& spec);

/// JSON on one line, keys in the same order, Go's escapes, no newline at the
/// end. Zeroes that the specification leaves out (a minor of 0) are left out.
std::string write_json(const Spec& spec);

}  // namespace gpunode::cdi
