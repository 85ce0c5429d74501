// A share's library in a container that passes through this program: beside
// what the image preloads itself, or, where no program of the container could
// load it, as the node's agent says (docs/adr/0027).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/root_directory.h"
#include "container/cdi/spec.h"
#include "container/oci/container_config.h"

namespace gpunode::runtime {

/// What is to be done for one container, before anything is mounted.
struct ShareDelivery {
  /// Mounts that take the place of those in config.json.
  cdi::ContainerEdits edits;
  std::vector<std::string> warnings;
};

/// `create`: the root of `bundle` shows the image. Nothing to be done if
/// `config` has no share below `grants_root`. kUnsupported, in words for a
/// Pod's events, if it is to be refused.
Result<ShareDelivery> deliver_share(const oci::ContainerConfig& config,
                                    const std::string& bundle,
                                    const std::string& grants_root);

/// A createContainer hook: what `config` says is mounted in `root` already, and
/// covers the image's own file. Returns warnings.
Result<std::vector<std::string>> deliver_mounted_share(
    const oci::ContainerConfig& config, const host::RootDirectory& root,
    const std::string& grants_root);

}  // namespace gpunode::runtime
