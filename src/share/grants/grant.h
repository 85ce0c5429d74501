// Grant: what a container is held to, as the node keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpunode::share {

/// One Device of a grant.
struct GrantedDevice {
  std::string uuid;         ///< "GPU-…" or "MIG-…".
  std::uint64_t bytes = 0;  ///< All processes of the container together.

  friend bool operator==(const GrantedDevice&, const GrantedDevice&) = default;
};

/// What becomes of a container whose programs cannot be limited.
enum class OnUnsupported { kRefuse, kUnlimited };

/// Follows from the ids that a container was given and the settings alone, so
/// that it can be made again at any time (docs/adr/0006).
struct Grant {
  std::string id;  ///< resource::allocation_id() of the ids.
  std::vector<GrantedDevice> devices;  ///< From 1 to kMostDevices.
  OnUnsupported on_unsupported = OnUnsupported::kRefuse;

  friend bool operator==(const Grant&, const Grant&) = default;
};

}  // namespace gpunode::share
