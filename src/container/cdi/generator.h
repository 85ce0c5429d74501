// CDI specs and container edits from what was found on a host. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "container/cdi/findings.h"
#include "container/cdi/hooks.h"
#include "container/cdi/spec.h"

namespace gpunode::cdi {

/// What a spec is about.
enum class Mode {
  kGpus,        ///< Each GPU and MIG device, with the driver's files.
  kManagement,  ///< One device `all` with every node, for administration.
  kGds,         ///< GPUDirect Storage; this and the next: one device `all`.
  kMofed,       ///< Mellanox' verbs.
  kGdrcopy,     ///< GDRCopy.
  kNvswitch,    ///< NVSwitch control.
  kImex,        ///< A device N for each IMEX channel N.
};

/// How devices are called.
enum class DeviceNaming {
  kIndex,      ///< "0", MIG "0:1"
  kUuid,       ///< "GPU-…", "MIG-…"
  kTypeIndex,  ///< "gpu0", "mig0:1"
};

struct GeneratorOptions {
  Mode mode = Mode::kGpus;
  std::string vendor = "nvidia.com";
  std::string klass;  ///< Empty: default_class(mode).
  std::vector<DeviceNaming> naming = {DeviceNaming::kIndex,
                                      DeviceNaming::kUuid};
  /// As the host sees them, whatever this process does.
  std::string driver_root = "/";
  std::string dev_root = "/";
  DriverCapabilities capabilities = DriverCapabilities::all_64bit();
  HookOptions hooks;
  bool with_all_device = true;
  /// Only these devices, by index or UUID; empty: every one.
  std::vector<std::string> device_ids;
  /// Groups of nodes that not everybody may use; needs CDI 0.7.0.
  bool with_additional_gids = true;
  /// GDS only: what else the host has of it, for mounts.
  bool has_udev = false;
  bool has_cufile_config = false;
};

/// "gpu", "gds", "imex-channel", …
std::string_view default_class(Mode mode);

/// "nvml" or "auto", "management", "gds", "mofed", "gdrcopy", "nvswitch",
/// "imex"; kUnsupported for NVIDIA's csv and wsl, kInvalidArgument for others.
Result<Mode> parse_mode(std::string_view name);

/// The whole spec, tidy, of the lowest version. kNotFound if there is nothing
/// to hand out, kInvalidArgument for a device id that no GPU has.
Result<Spec> generate(const Findings& found, const GeneratorOptions& options);

/// What a container gets that asks for `ids`: indices "0" and "0:1", UUIDs,
/// "all", "none" (the driver's files without a GPU). A GPU in MIG mode is its
/// MIG devices. Devices' edits come first, then common ones, with one hook for
/// both. An id asked for twice counts once. kInvalidArgument, with NVIDIA's
/// words, for one that is none; kNotFound without a driver; kUnavailable for a
/// GPU without a node.
Result<ContainerEdits> edits_for(const Findings& found,
                                 std::span<const std::string> ids,
                                 const GeneratorOptions& options);

/// The driver's files, control nodes and hooks: what any GPU comes with.
ContainerEdits common_edits(const Findings& found,
                            const GeneratorOptions& options);

/// `node` as a container gets it, and the group that may use it.
void add_node(ContainerEdits& edits, const NodeFile& node,
              const GeneratorOptions& options);

}  // namespace gpunode::cdi
