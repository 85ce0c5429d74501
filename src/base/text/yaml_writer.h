// A Node as YAML that people read: blocks, texts without quotes where they need
// none, and whole texts of several lines as they are.
#pragma once

#include <string>

#include "base/text/node.h"

namespace gpunode::text {

/// `value` as a block of YAML with a newline at its end. parse_yaml() reads the
/// same out of it.
std::string write_yaml(const Node& value);

}  // namespace gpunode::text
