// CDI edits written into a config.json.
//
// The semantics are those of the CDI library that every engine uses
// (container-edits.go of cncf-tags/container-device-interface), but for one
// thing: an environment variable replaces the one of its name, as that library
// means to and does not. Text that is not edited stays byte for byte.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "container/cdi/spec.h"
#include "container/oci/container_config.h"

namespace gpunode::oci {

/// Whether NVIDIA's prestart hook, which an engine may have added, goes: it
/// would do by its own means what the edits do.
enum class LegacyHook { kKeep, kRemove };

/// `config`'s text with `edits` made in their order; nothing if that changes
/// nothing. Device nodes must be complete (host_device.h).
std::optional<std::string> edit_config(
    const ContainerConfig& config, std::span<const cdi::ContainerEdits> edits,
    LegacyHook legacy_hook);

/// True for the paths that LegacyHook::kRemove removes.
bool is_legacy_hook(std::string_view path);

/// The number of components of a destination after cleaning it as a path:
/// what mounts are ordered by, so that parents are mounted first.
std::size_t path_depth(std::string_view path);

}  // namespace gpunode::oci
