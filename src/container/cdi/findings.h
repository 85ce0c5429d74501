// All that CDI specs are made of, found on a host in one go.
#pragma once

#include <string>

#include "base/host/host_root.h"
#include "container/cdi/device_files.h"
#include "container/cdi/driver_files.h"
#include "gpu/device/inventory.h"

namespace gpunode::cdi {

struct Findings {
  device::Inventory inventory;
  DriverFiles driver;
  DeviceFiles devices;

  bool operator==(const Findings&) const = default;
};

/// Where things are looked for.
struct FindingsSource {
  DriverSearch driver;
  DeviceSearch devices;
};

/// The usual places of the host that is mounted at `host`; its driver's files
/// and device nodes are below `driver_root` there, "/" or "" for the host's
/// own. What `gpunode cdi refresh` keeps for the runtime is of such a source.
FindingsSource source_for(const host::HostRoot& host,
                          const std::string& driver_root);

/// Looks for everything that belongs to the GPUs of `inventory`, which names
/// the loaded driver too (procfs::list_gpus, or what NVML told).
Findings find_all(const FindingsSource& source, device::Inventory inventory);

}  // namespace gpunode::cdi
