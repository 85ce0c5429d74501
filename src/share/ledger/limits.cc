#include "share/ledger/limits.h"

#include <cstring>

namespace gpunode::share {

bool Limits::view(const void* bytes, std::size_t size, Limits* limits) {
  if (size < sizeof(LimitsHeader)) return false;
  const auto* header = static_cast<const LimitsHeader*>(bytes);
  // Read once: what is checked is what is used.
  const std::uint32_t devices = header->devices;
  const std::uint32_t slots = header->slots;
  if (header->magic != kLimitsMagic || header->version != kLimitsVersion ||
      devices == 0 || devices > kMostDevices || slots == 0 ||
      slots > kMostSlots || size < limits_size(devices, slots)) {
    return false;
  }
  const auto* first = reinterpret_cast<const DeviceLimit*>(
      static_cast<const char*>(bytes) + sizeof(LimitsHeader));
  for (std::uint32_t device = 0; device < devices; ++device) {
    if (std::memchr(first[device].uuid.data(), '\0', kUuidBytes) == nullptr)
      return false;
  }
  limits->at_ = first;
  limits->gone_ = reinterpret_cast<const GoneWord*>(first + devices);
  limits->devices_ = devices;
  limits->slots_ = slots;
  return true;
}

}  // namespace gpunode::share
