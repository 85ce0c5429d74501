// What a low-level runtime tells a hook about its container.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/root_directory.h"

namespace gpunode::hook {

/// The OCI state (runtime-spec, "State"), as far as we need it.
struct ContainerState {
  std::string bundle;
  /// config.json's, so it may be relative to the bundle; crun gives it, runc
  /// does not.
  std::string root;
};

/// At most this much is read of a state.
inline constexpr std::size_t kMaxStateBytes = std::size_t{1} << 20;

/// kCorrupt if it is no JSON object, or has neither `bundle` nor `root`.
Result<ContainerState> parse_container_state(std::string_view json);

/// `root.path` of a config.json. kCorrupt if there is none.
Result<std::string> parse_root_path(std::string_view json);

/// The container's root: the state's own, else what config.json in the bundle
/// says, which is only then read.
Result<host::RootDirectory> open_container_root(const ContainerState& state);

}  // namespace gpunode::hook
