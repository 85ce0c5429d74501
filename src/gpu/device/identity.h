// Names of a GPU that are easy to confuse, as types that cannot be.
#pragma once

#include <compare>
#include <string>

namespace gpunode::device {

/// Position in NVML's enumeration; changes with the bus layout and with
/// CUDA_DEVICE_ORDER-like reordering. Not the N of /dev/nvidiaN.
struct Index {
  unsigned value = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): 14 takes <=> for a comparison.
  auto operator<=>(const Index&) const = default;
};

/// The N of /dev/nvidiaN. Not always equal to Index.
struct Minor {
  unsigned value = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): as above.
  auto operator<=>(const Minor&) const = default;
};

/// A Device's UUID as the driver spells it: `GPU-8932f937-…` for a full GPU,
/// `MIG-…` (or, before driver 470, `MIG-GPU-<uuid>/<gi>/<ci>`) for a
/// MIG device. Survives reboots.
struct DeviceId {
  std::string value;
  // NOLINTNEXTLINE(modernize-use-nullptr): as above.
  auto operator<=>(const DeviceId&) const = default;
};

}  // namespace gpunode::device
