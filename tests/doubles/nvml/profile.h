// Profile: the machine that the double pretends to be, as plain values.
//
// Read from a JSON file; README.md in tests/fixtures/profiles says what each
// key means. A key that is not known is an error, so that a typing mistake
// cannot pass for a machine that lacks something.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::fake_nvml {

/// A kind of GPU instance that a GPU can be cut into.
struct MigProfile {
  std::string name;          ///< "1g.5gb+me"
  unsigned nvml_number = 0;  ///< NVML_GPU_INSTANCE_PROFILE_*
  unsigned id = 0;           ///< nvmlGpuInstanceInfo_t::profileId
  unsigned slices = 0;
  unsigned instances = 0;  ///< How many fit into an empty GPU.
  unsigned memory_slices = 0;
  unsigned multiprocessors = 0;
  unsigned copy_engines = 0;
  unsigned decoders = 0;
  unsigned encoders = 0;
  unsigned jpeg_engines = 0;
  unsigned ofa_engines = 0;
  std::uint64_t memory_mib = 0;
};

/// One compute instance in one GPU instance.
struct MigDeviceSpec {
  std::string uuid;
  std::string gpu_profile;      ///< A MigProfile's name.
  unsigned compute_slices = 0;  ///< "1c.3g.20gb" has 1, "3g.20gb" has 3.
  unsigned gpu_instance = 0;
  unsigned compute_instance = 0;
  unsigned placement = 0;  ///< First memory slice.
};

/// Where a GPU hangs on PCIe. Two GPUs that share the innermost number are as
/// near as it says; an absent number is shared with nobody.
struct PciePlace {
  std::optional<unsigned> bridge;  ///< Same: NVML_TOPOLOGY_HOSTBRIDGE.
  std::optional<unsigned> tree;    ///< Same: NVML_TOPOLOGY_MULTIPLE.
  std::optional<unsigned> board;   ///< Same: NVML_TOPOLOGY_SINGLE.
};

/// What one NVLink of a GPU ends at.
struct NvLinkEnd {
  std::optional<unsigned> gpu;  ///< Index in the profile, else a switch.
  std::string pci_bus_id;       ///< Of a switch.
};

struct Fabric {
  std::array<unsigned char, 16> cluster_uuid{};
  unsigned clique = 0;
  unsigned char state = 0;  ///< NVML_GPU_FABRIC_STATE_*
};

struct ProcessSpec {
  unsigned pid = 0;
  std::uint64_t used_bytes = 0;
  unsigned gpu_instance = ~0U;
  unsigned compute_instance = ~0U;
  unsigned sm_percent = 0;  ///< 0: it has had no turn, and no sample.
};

struct GpuSpec {
  std::string name;
  std::string uuid;
  std::string serial;
  std::string part_number;
  std::string vbios;
  std::string pci_bus_id;  ///< "0000:00:1e.0"
  unsigned pci_device_id = 0;
  unsigned pci_subsystem_id = 0;
  unsigned pci_class = 0x030200;
  unsigned minor = 0;
  int brand = 0;
  unsigned architecture = 0;
  int compute_major = 0;
  int compute_minor = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t reserved_bytes = 0;
  std::uint64_t bar1_bytes = 0;
  int numa_node = -1;
  PciePlace pcie;
  std::vector<NvLinkEnd> nvlinks;
  unsigned nvlink_version = 0;
  std::optional<Fabric> fabric;
  std::uint64_t event_types = 0;
  bool mig_capable = false;
  bool mig_enabled = false;
  bool mig_pending = false;
  std::vector<MigDeviceSpec> mig_devices;
  std::vector<ProcessSpec> processes;
  bool has_ecc = true;
  bool ecc_pending = true;  ///< What ECC is after a reset.
  bool persistence = true;
  bool remap_pending = false;
  bool remap_failed = false;
  unsigned temperature_celsius = 0;
  unsigned power_milliwatts = 0;
  unsigned power_limit_milliwatts = 0;
  unsigned sm_clock_mhz = 0;
  unsigned max_sm_clock_mhz = 0;
  unsigned memory_clock_mhz = 0;
};

struct Profile {
  std::string driver_version;  ///< "545.23.08"
  int cuda_version = 0;        ///< 12030
  std::vector<GpuSpec> gpus;
  std::vector<MigProfile> mig_profiles;
  std::vector<std::string> absent_symbols;

  const MigProfile* mig_profile(std::string_view name) const;
};

/// The text of one profile; errors name the place and the key.
Result<Profile> parse_profile(std::string text);

/// Reads and parses `path`.
Result<Profile> load_profile(const std::string& path);

}  // namespace gpunode::fake_nvml
