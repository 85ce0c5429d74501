#include "gpu/procfs/vgpu.h"

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace gpunode::procfs {
namespace {

constexpr std::string_view kDevices = "/sys/bus/pci/devices";

// PCI Local Bus Specification 3.0, 6.1 and 6.7.
constexpr std::size_t kConfigSpaceBytes = 256;
constexpr std::size_t kStatus = 0x06;
constexpr unsigned kHasCapabilities = 0x10;
constexpr std::size_t kFirstCapability = 0x34;
constexpr std::size_t kHeaderBytes = 0x40;  // Capabilities lie behind it.
constexpr unsigned kVendorSpecific = 0x09;

// What NVIDIA puts into the capability: id, next, length, "VF", records of
// (type, length with these two, data).
constexpr std::size_t kRecords = 5;
constexpr unsigned kDriverVersion = 0;
constexpr std::size_t kTextBytes = 10;

/// A config space of which every byte can be asked for.
class ConfigSpace {
 public:
  explicit ConfigSpace(std::string_view bytes) : bytes_(bytes) {}

  unsigned byte(std::size_t at) const {
    return at < bytes_.size() ? static_cast<unsigned char>(bytes_[at]) : 0;
  }

  /// Up to its NUL.
  std::string text(std::size_t at) const {
    if (at >= bytes_.size()) return {};
    const std::string_view field = bytes_.substr(at, kTextBytes);
    return std::string(field.substr(0, field.find('\0')));
  }

  /// Where the vendor-specific capability of a vGPU starts.
  std::optional<std::size_t> find_vgpu() const;

  /// Where the data of the driver's record starts.
  std::optional<std::size_t> find_driver(std::size_t capability) const;

 private:
  std::string_view bytes_;
};

std::optional<std::size_t> ConfigSpace::find_vgpu() const {
  if ((byte(kStatus) & kHasCapabilities) == 0) return std::nullopt;
  std::bitset<kConfigSpaceBytes> seen;
  std::size_t at = byte(kFirstCapability);
  // A list that leads back into itself or into the header is broken hardware.
  while (at >= kHeaderBytes && !seen.test(at)) {
    seen.set(at);
    if (byte(at) == kVendorSpecific && byte(at + 3) == 'V' &&
        byte(at + 4) == 'F') {
      return at;
    }
    at = byte(at + 1);
  }
  return std::nullopt;
}

std::optional<std::size_t> ConfigSpace::find_driver(
    std::size_t capability) const {
  const std::size_t end =
      std::min<std::size_t>(capability + byte(capability + 2), bytes_.size());
  std::size_t at = capability + kRecords;
  while (at + 2 <= end) {
    const std::size_t length = byte(at + 1);
    if (byte(at) == kDriverVersion) {
      const bool fits = at + 2 + 2 * kTextBytes <= end;
      return fits ? std::optional(at + 2) : std::nullopt;
    }
    if (length == 0) break;  // Would never move on.
    at += length;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<device::Vgpu>> parse_vgpu(std::string_view bus_id,
                                             std::string_view config_space) {
  if (config_space.size() < kConfigSpaceBytes) {
    return Error(ErrorCode::kPermissionDenied,
                 fmt::format("read the PCI config space of {}: {} of {} bytes; "
                             "run with CAP_SYS_ADMIN and a readable /sys",
                             bus_id, config_space.size(), kConfigSpaceBytes));
  }
  const ConfigSpace space(config_space.substr(0, kConfigSpaceBytes));
  const std::optional<std::size_t> capability = space.find_vgpu();
  if (!capability) return std::vector<device::Vgpu>();
  const std::optional<std::size_t> driver = space.find_driver(*capability);
  if (!driver) {
    return Error(
        ErrorCode::kCorrupt,
        fmt::format("cannot find driver version record in vendor specific "
                    "capability for device {}",
                    bus_id));
  }
  return std::vector<device::Vgpu>{{std::string(bus_id), space.text(*driver),
                                    space.text(*driver + kTextBytes)}};
}

Result<std::vector<device::Vgpu>> list_vgpus(const host::HostRoot& host) {
  std::vector<device::Vgpu> vgpus;
  auto names = host.list_directory(std::string(kDevices));
  if (!names) {
    if (names.error().code() == ErrorCode::kNotFound) return vgpus;
    return std::move(names).error();
  }
  for (const std::string& bus_id : *names) {
    const std::string folder = fmt::format("{}/{}", kDevices, bus_id);
    const auto vendor = host.read_file(folder + "/vendor");
    if (!vendor || !vendor->starts_with("0x10de")) continue;
    TRY(const std::string config, host.read_file(folder + "/config"));
    TRY(std::vector<device::Vgpu> found, parse_vgpu(bus_id, config));
    std::move(found.begin(), found.end(), std::back_inserter(vgpus));
  }
  return vgpus;
}

}  // namespace gpunode::procfs
