#include "container/cdi/spec_version.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::cdi {
namespace {

// A number without leading zeros or signs, off the front of `text`.
std::optional<unsigned> take_number(std::string_view& text) {
  const bool has_leading_zero =
      text.size() > 1 && text.front() == '0' && is_digit(text[1]);
  if (has_leading_zero) return std::nullopt;
  unsigned number = 0;
  const char* const begin = text.data();
  const auto [stop, error] =
      std::from_chars(begin, begin + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - begin));
  return number;
}

class Need {
 public:
  void raise(SpecVersion version, std::string_view reason) {
    if (need_.version >= version) return;
    need_ = {version, std::string(reason)};
  }

  void read(const ContainerEdits& edits) {
    if (!edits.additional_gids.empty()) raise({0, 7, 0}, "additionalGids");
    for (const DeviceNode& node : edits.device_nodes) {
      if (!node.host_path.empty()) {
        raise({0, 5, 0}, "the hostPath of a device node");
      }
    }
    for (const Mount& mount : edits.mounts) {
      if (!mount.type.empty()) raise({0, 4, 0}, "the type of a mount");
    }
  }

  void read(const Device& device) {
    if (!device.annotations.empty()) raise({0, 6, 0}, "annotations");
    if (!device.name.empty() && device.name[0] >= '0' &&
        device.name[0] <= '9') {
      raise({0, 5, 0}, "a device name that starts with a digit");
    }
    read(device.edits);
  }

  VersionNeed result() && { return std::move(need_); }

 private:
  VersionNeed need_;
};

}  // namespace

std::string SpecVersion::text() const {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

std::optional<SpecVersion> parse_spec_version(std::string_view text) {
  std::array<unsigned, 3> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    numbers[i] = *number;
  }
  if (!text.empty()) return std::nullopt;
  return SpecVersion{numbers[0], numbers[1], numbers[2]};
}

VersionNeed needed_version(const Spec& spec) {
  Need need;
  if (!spec.annotations.empty()) need.raise({0, 6, 0}, "annotations");
  const std::size_t slash = spec.kind.find('/');
  if (slash != std::string::npos &&
      spec.kind.find('.', slash) != std::string::npos) {
    need.raise({0, 6, 0}, "a class with a dot in it");
  }
  need.read(spec.edits);
  for (const Device& device : spec.devices) need.read(device);
  return std::move(need).result();
}

}  // namespace gpunode::cdi
