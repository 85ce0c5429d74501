// Inventory: every Device of the node at one instant, as plain values.
//
// Filled by gpu/nvml (and gpu/procfs for what the library does not tell);
// everything that decides works on this and never asks the driver again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpu/device/identity.h"
#include "gpu/device/topology.h"

namespace gpunode::device {

/// What nvmlDeviceGetAttributes_v2 says of a MIG device.
struct MigAttributes {
  unsigned multiprocessors = 0;
  unsigned gpu_instance_slices = 0;
  unsigned compute_instance_slices = 0;
  unsigned copy_engines = 0;
  unsigned decoders = 0;
  unsigned encoders = 0;
  unsigned jpeg_engines = 0;
  unsigned ofa_engines = 0;
  std::uint64_t memory_mib = 0;
  auto operator<=>(const MigAttributes&) const = default;
};

/// A hardware partition of one Gpu, with its own UUID.
struct MigDevice {
  DeviceId id;
  unsigned mig_index = 0;         ///< Position under its parent, NVML order.
  unsigned gpu_instance = 0;      ///< GI id, as in nvidia-caps paths.
  unsigned compute_instance = 0;  ///< CI id.
  std::string profile;            ///< "1g.10gb", "1g.10gb+me", "1c.2g.20gb"
  MigAttributes attributes;
  std::string gpu_instance_cap_path;      ///< "/dev/nvidia-caps/nvidia-cap21"
  std::string compute_instance_cap_path;  ///< Empty: the entry is missing.

  bool operator==(const MigDevice&) const = default;
};

/// The NVLink fabric that a Gpu has joined; jobs over several nodes want Gpus
/// of one clique.
struct FabricClique {
  std::string cluster;  ///< UUID, lower case, with dashes.
  unsigned id = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): 14 takes <=> for a comparison.
  auto operator<=>(const FabricClique&) const = default;
};

/// One physical GPU.
struct Gpu {
  DeviceId id;
  Index index;
  Minor minor;
  std::string name;        ///< NVML's, "NVIDIA A10G".
  std::string pci_bus_id;  ///< As sysfs has it: "0000:00:1e.0", lower case.
  std::uint64_t memory_bytes = 0;  ///< 0: the driver would not say.
  int compute_major = 0;
  int compute_minor = 0;
  bool mig_capable = false;
  bool mig_enabled = false;
  /// Bound to vfio-pci for a virtual machine, so no driver can be asked: `name`
  /// is that of pci.ids, `memory_bytes` what its BARs let a VM address, and
  /// there is no id, Minor or compute capability.
  bool is_passed_through = false;
  std::optional<FabricClique> fabric;  ///< Once registration has succeeded.
  std::optional<unsigned> numa_node;
  /// 0x030000 has displays, 0x030200 has none; nothing: sysfs does not tell.
  std::optional<std::uint32_t> pci_class;
  std::vector<MigDevice> mig_devices;

  bool operator==(const Gpu&) const = default;
};

/// A GPU that is there but could not be described, and why.
struct LostGpu {
  Index index;
  std::optional<DeviceId> id;  ///< Known when only later queries failed.
  std::string reason;

  bool operator==(const LostGpu&) const = default;
};

struct Inventory {
  std::string driver_version;   ///< "545.23.08"
  int cuda_driver_version = 0;  ///< 1000 × major + 10 × minor: 12040.
  std::vector<Gpu> gpus;        ///< By Index, ascending.
  std::vector<LostGpu> lost;    ///< One lost GPU does not hide the others.
  Topology topology;            ///< Rows and columns follow `gpus`.

  bool operator==(const Inventory&) const = default;
};

}  // namespace gpunode::device
