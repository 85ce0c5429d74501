// The device nodes of a host that GPU containers may need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/host/host_root.h"
#include "gpu/device/inventory.h"

namespace gpunode::cdi {

/// A character device.
struct NodeFile {
  enum class Group {
    kGpu,         ///< /dev/nvidiaN
    kControl,     ///< nvidiactl, nvidia-uvm, nvidia-uvm-tools, nvidia-modeset
    kCapability,  ///< /dev/nvidia-caps/nvidia-capN
    kDrm,         ///< /dev/dri/cardN, renderDN of an NVIDIA GPU
    kGds,         ///< /dev/nvidia-fs*
    kMofed,       ///< /dev/infiniband/uverbs*, rdma_cm
    kGdrcopy,     ///< /dev/gdrdrv
    kNvswitch,    ///< /dev/nvidia-nvswitch*
    kImex,        ///< /dev/nvidia-caps-imex-channels/channelN
    kOther,       ///< What else is called /dev/nvidia*, links between GPUs
                  ///< (nvidia-nvlink) left out.
    kAdditional,  ///< Asked for by configuration.
  };

  Group group = Group::kOther;
  std::string path;  ///< "/dev/nvidia0", in the dev root.
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::uint32_t mode = 0;  ///< Permission bits.
  std::uint32_t gid = 0;
  /// The kernel has the device (/proc/devices), but nobody made the node yet,
  /// as before the first use of CUDA after boot.
  bool is_missing = false;

  bool operator==(const NodeFile&) const = default;
};

/// The DRM side of a GPU.
struct DrmFiles {
  std::string pci_bus_id;
  std::vector<std::string> paths;  ///< "/dev/dri/card1", "/dev/dri/renderD128"
  /// Name in /dev/dri/by-path and its text: pci-0000:3b:00.0-card → ../card1.
  std::vector<std::pair<std::string, std::string>> by_path;

  bool operator==(const DrmFiles&) const = default;
};

struct DeviceFiles {
  std::vector<NodeFile> nodes;  ///< By path, unique.
  std::vector<DrmFiles> drm;    ///< For GPUs that have any.
  /// Places of the dev root that decide, there or not.
  std::vector<std::string> witnesses;
  std::vector<std::string> problems;  ///< For people, one line each.

  const NodeFile* find(const std::string& path) const;

  bool operator==(const DeviceFiles&) const = default;
};

struct DeviceSearch {
  host::HostRoot dev_root;                      ///< Where /dev is.
  host::HostRoot host;                          ///< Where /proc and /sys are.
  bool with_imex_channels = false;              ///< There may be thousands.
  std::vector<std::string> additional_devices;  ///< "/dev/foo"
};

/// Looks. Nodes of `inventory`'s GPUs, control nodes and MIG capabilities that
/// nobody has made are told from /proc/devices.
DeviceFiles find_device_files(const DeviceSearch& search,
                              const device::Inventory& inventory);

}  // namespace gpunode::cdi
