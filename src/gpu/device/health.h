// Health of a Device, and the events that change it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gpu/device/identity.h"

namespace gpunode::device {

/// A critical XID, as nvmlEventSetWait_v2 reports it. No gpu means that the
/// driver could not say which (then every GPU is suspect).
struct XidEvent {
  std::optional<DeviceId> gpu;
  std::uint64_t xid = 0;
  std::optional<unsigned> gpu_instance;      ///< Absent: the whole GPU.
  std::optional<unsigned> compute_instance;  ///< Absent: the whole GPU.
};

/// Whether a Device may be given to containers, and if not, why.
struct Health {
  bool is_healthy = true;
  std::string
      reason;  ///< "XID 79: GPU has fallen off the bus"; empty if healthy.
};

}  // namespace gpunode::device
