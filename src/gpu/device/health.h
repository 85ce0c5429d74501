// Health of a Device, and the events that change it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gpu/device/identity.h"
#include "gpu/device/inventory.h"

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

/// Whether `event` makes a full GPU suspect.
bool concerns(const XidEvent& event, const Gpu& gpu);

/// Whether `event` makes a MIG device of `parent` suspect: it names the parent
/// and, when it names both instances, they are this device's.
bool concerns(const XidEvent& event, const Gpu& parent, const MigDevice& mig);

/// What NVIDIA's XID catalogue says of a number; empty for one not in it.
std::string_view xid_meaning(std::uint64_t xid);

/// A Health::reason: "XID 79: GPU has fallen off the bus", or "XID 999".
std::string describe_xid(std::uint64_t xid);

}  // namespace gpunode::device
