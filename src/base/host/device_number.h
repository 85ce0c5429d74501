// Which device: the pair of numbers that the kernel knows it by.
#pragma once

#include <sys/sysmacros.h>

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpunode::host {

/// "259:1", as sysfs and mountinfo write it. 0:0 is no device. Names of
/// devices change from boot to boot, and these numbers do as well: they are for
/// matching what was seen at one moment.
struct DeviceNumber {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;

  static DeviceNumber of(dev_t device) {
    return {gnu_dev_major(device), gnu_dev_minor(device)};
  }

  /// Nothing for anything but two decimal numbers with a colon.
  static std::optional<DeviceNumber> parse(std::string_view text) {
    DeviceNumber number;
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, number.major);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') {
      return std::nullopt;
    }
    const auto second = std::from_chars(first.ptr + 1, end, number.minor);
    if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
    return number;
  }

  /// Major 0 is of file systems that are on no device, or on several.
  bool is_device() const { return major != 0; }

  std::string text() const {
    return std::to_string(major) + ":" + std::to_string(minor);
  }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means the 0 in `<`.
  auto operator<=>(const DeviceNumber&) const = default;
};

}  // namespace gpunode::host
