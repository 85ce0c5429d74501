// What a configuration says that NVIDIA's plugin accepts or ignores silently.
#pragma once

#include <string>
#include <string_view>

#include "base/text/node.h"

namespace gpunode::config {

struct Warning {
  text::Mark mark;         ///< Nowhere: not from the file.
  std::string message;     ///< What was found and what is done with it.
  std::string suggestion;  ///< What to write instead; may be empty.
};

/// "config.yaml:4:5: unknown key 'replica' is ignored (did you mean
/// 'replicas'?)", on one line.
std::string describe(const Warning& warning, std::string_view file_name);

}  // namespace gpunode::config
