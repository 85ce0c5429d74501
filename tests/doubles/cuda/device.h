// The GPUs that this process may use.
//
// The double asks the kernel as the driver does: a GPU is there if its device
// node can be opened. On a machine without NVIDIA's modules open(2) gives ENXIO
// where the node exists and the device cgroup allows it, and EPERM where the
// cgroup does not, so a container's devices are judged for real.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "gpu/abi/cuda.h"
#include "tests/doubles/cuda/environment.h"

namespace gpunode::fake_cuda {

struct Device {
  unsigned minor = 0;  ///< N of /dev/nvidiaN.
  std::string name = "NVIDIA A10G";
  std::string uuid;  ///< "GPU-…"
  std::string pci_bus_id = "0000:00:1e.0";
  std::uint64_t memory_bytes = 24'146'608'128;  ///< What an A10G shows.
  int compute_major = 8;
  int compute_minor = 6;

  /// Of a GPU that is cut: its MIG devices.
  struct Instance {
    std::string uuid;  ///< "MIG-…"
    std::uint64_t memory_bytes = 0;
  };
  std::vector<Instance> instances;
  /// It is this one of them; empty: all of a GPU.
  std::string instance;

  std::array<char, 16> uuid_bytes() const;
  std::array<char, 16> instance_bytes() const;
  /// Those of an H200, or of an A10G.
  int multiprocessors() const { return compute_major == 9 ? 132 : 80; }
  int threads_per_multiprocessor() const {
    return compute_major == 9 ? 2048 : 1536;
  }
};

/// The machine: its driver and the GPUs it would have if all nodes opened.
struct Machine {
  int cuda_version = 12030;  ///< 1000 * major + 10 * minor.
  std::vector<Device> devices;
};

/// The machine that a profile of the NVML double describes (the keys are those
/// of tests/fixtures/profiles). What the profile lacks stays at its default.
Result<Machine> parse_machine(std::string_view profile_json);

/// The profile named by the environment, else profile.json beside this
/// library, else one A10G for each minor number that is asked for.
Result<Machine> load_machine(const Environment& environment);

/// What cuInit finds: `devices` in the order CUDA shows them. As driver 580
/// answers when a node is missing or forbidden: NO_DEVICE without nvidiactl,
/// else UNKNOWN without nvidia-uvm, else NO_DEVICE if no GPU is left.
abi::CUresult find_devices(const Environment& environment,
                           const Machine& machine,
                           std::vector<Device>* devices);

/// CUDA_VISIBLE_DEVICES' rules, as driver 580 has them: indexes (as strtol
/// reads them) or beginnings of UUIDs, in the order given; the first that names
/// nothing ends the list. INVALID_DEVICE if a device is named twice. A MIG
/// device is named by all of its UUID, and is the last that is seen.
abi::CUresult choose_visible(std::string_view list,
                             std::vector<Device>* devices);

}  // namespace gpunode::fake_cuda
