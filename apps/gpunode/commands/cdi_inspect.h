// `gpunode cdi list` and `gpunode cdi transform root`.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::cli {

struct ListRequest {
  std::string root = "/";
  std::vector<std::string> spec_directories;  ///< Empty: CDI's own.
  bool as_json = false;  ///< One object a line: {"name":…,"spec":…}.
};

/// Prints the devices' qualified names; what cannot be read is a warning.
Result<void> run_list(const ListRequest& request);

struct TransformRequest {
  std::string from;
  std::string to;
  std::string input = "-";  ///< "-" is standard input.
  std::string output;       ///< Empty: standard output.
  std::string relative_to = "host";
};

/// Moves a spec's paths from one root to another. It keeps its form, JSON or
/// YAML, unless the output's name says otherwise.
Result<void> run_transform_root(const TransformRequest& request);

}  // namespace gpunode::cli
