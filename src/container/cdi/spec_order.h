// The form in which specs are handed out: sorted, nothing twice.
#pragma once

#include <string>

#include "container/cdi/spec.h"

namespace gpunode::cdi {

/// Nodes and mounts by depth of their path in the container, then path, so
/// that a mount's directory comes before what is mounted in it; nothing twice.
void tidy(ContainerEdits& edits);

/// tidy() for all edits; devices by name; what the common edits give is taken
/// from devices, unless a device would then have nothing; the lowest version
/// that says it.
void tidy(Spec& spec);

/// Where paths of a driver root are, seen from elsewhere.
struct RootChange {
  std::string from;
  std::string to;
  bool is_of_container = false;  ///< Paths in the container; else the host's.
};

/// Moves each path of `spec` that is below `change.from` to below `change.to`:
/// the host's paths of nodes and mounts, or the container's paths with those
/// in the arguments of hooks. Other paths stay. Ends with tidy().
void change_root(Spec& spec, const RootChange& change);

}  // namespace gpunode::cdi
