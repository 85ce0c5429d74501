// What NVIDIA_DRIVER_CAPABILITIES is about: the parts of a driver.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace gpunode::cdi {

enum class DriverCapability : std::uint8_t {
  kCompute,
  kUtility,
  kVideo,
  kGraphics,
  kDisplay,
  kNgx,
  kCompat32,
};

/// "compute", "utility", "video", "graphics", "display", "ngx", "compat32".
std::string_view name_of(DriverCapability capability);
/// Nothing for other words; "all" is none of them.
std::optional<DriverCapability> parse_driver_capability(std::string_view name);

/// A set of them. A value.
class DriverCapabilities {
 public:
  constexpr DriverCapabilities() = default;
  constexpr DriverCapabilities(
      std::initializer_list<DriverCapability> capabilities) {
    for (const DriverCapability capability : capabilities) insert(capability);
  }

  static constexpr DriverCapabilities all() {
    DriverCapabilities every;
    every.bits_ = 0x7f;
    return every;
  }
  /// All but compat32: what a CDI spec hands out unless told otherwise.
  static constexpr DriverCapabilities all_64bit() {
    DriverCapabilities most;
    most.bits_ = 0x3f;
    return most;
  }
  static constexpr DriverCapabilities from_bits(std::uint8_t bits) {
    DriverCapabilities some;
    some.bits_ = bits & 0x7fU;
    return some;
  }

  constexpr void insert(DriverCapability capability) {
    bits_ = static_cast<std::uint8_t>(
        bits_ | (1U << static_cast<unsigned>(capability)));
  }
  constexpr bool has(DriverCapability capability) const {
    return ((bits_ >> static_cast<unsigned>(capability)) & 1U) != 0;
  }
  constexpr bool intersects(DriverCapabilities other) const {
    return (bits_ & other.bits_) != 0;
  }
  constexpr bool is_empty() const { return bits_ == 0; }
  constexpr std::uint8_t bits() const { return bits_; }

  /// "compute,utility", in the order of the enumeration.
  std::string text() const;

  bool operator==(const DriverCapabilities&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

/// Who needs a library, by its name up to ".so" ("libcuda"). The lists are
/// libnvidia-container's (nvc_info.c), with what newer drivers brought. A name
/// that nobody has listed belongs to every capability: a driver newer than this
/// program then still works, at the cost of a mount.
DriverCapabilities capabilities_of_library(std::string_view stem);

}  // namespace gpunode::cdi
