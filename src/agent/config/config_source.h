// The config file as bytes: the one place of this room that reads a file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::config {

/// A config file after reading.
struct ConfigText {
  std::string name;  ///< As given on the command line.
  std::string text;
};

/// The largest config file: what a ConfigMap can hold, 1 MiB.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;

/// The text of `path`. Errors begin with kLoadPrefix (load.h) and, like the
/// peer's, "error opening config file: open PATH: no such file or directory"
/// or "error parsing config file: read error: ...".
Result<ConfigText> read_config_file(const std::string& path);

/// The configurations in `directory`, a mounted ConfigMap, sorted: what is no
/// directory, leads somewhere and does not begin with "..", which is how the
/// kubelet marks its own. Errors begin as the peer's, "error getting list of
/// configuration files: ".
Result<std::vector<std::string>> config_names(const std::string& directory);

}  // namespace gpunode::config
