// What `gpunode facts` does without --labels: looks at a host, or at one that
// was recorded, and shows or records it.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"

namespace gpunode::cli {

struct HostFactsOptions {
  std::string root = "/";
  std::string from;         ///< A bundle to look at in the host's place.
  std::string export_file;  ///< Where to write a bundle; "" for nowhere.
  bool as_json = false;
};

/// Prints the facts, or writes the bundle and says so on standard error.
/// kUnsupported if there is no host at the root.
Result<void> show_host(const HostFactsOptions& options,
                       host::CommandRunner& runner);

}  // namespace gpunode::cli
