#include "gpu/procfs/passthrough.h"

#include <array>
#include <bit>
#include <charconv>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gpu/device/product_name.h"
#include "gpu/procfs/pci.h"

namespace gpunode::procfs {
namespace {

constexpr std::uint16_t kNvidia = 0x10de;
constexpr std::string_view kDriver = "vfio-pci";
// The lines after them are the ROM and the windows of virtual functions.
constexpr int kBars = 6;
// Bits of a line's flags: PCI's own two for a window's type.
constexpr std::uint64_t kTypeMask = 0x06;
constexpr std::uint64_t kType64 = 0x04;
/// No pci.ids is as large: it has 1.5 MB.
constexpr std::size_t kMostBytes = 16ULL << 20U;
/// Where distributions keep it; the first that is there counts.
constexpr std::array kDatabases = {
    "/usr/share/misc/pci.ids", "/usr/local/share/pci.ids",
    "/usr/share/hwdata/pci.ids", "/usr/share/pci.ids"};

std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

std::optional<std::uint64_t> read_hex(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  text.remove_prefix(2);
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// Rounded up to a power of two; 0 for what no 64 bits hold.
std::uint64_t rounded_up(std::uint64_t bytes) {
  constexpr std::uint64_t kLargest = 1ULL << 63U;
  return bytes == 0 || bytes > kLargest ? 0 : std::bit_ceil(bytes);
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return "";
  return std::string(
      text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::string read_pci_ids(const host::HostRoot& host) {
  for (const char* path : kDatabases) {
    auto text = host.read_file(path, kMostBytes);
    if (text) return *std::move(text);
  }
  return "";
}

std::string name_of(std::uint16_t device, std::string_view pci_ids) {
  auto name = find_pci_name(pci_ids, kNvidia, device);
  if (name) return *std::move(name);
  return std::string(device::pci_name_of(device).value_or("UNKNOWN_DEVICE"));
}

std::string attribute(const PciGpu& gpu, std::string_view name) {
  return fmt::format("/sys/bus/pci/devices/{}/{}", gpu.bus_id, name);
}

device::Gpu describe(const host::HostRoot& host, const PciGpu& found,
                     unsigned index, std::string_view pci_ids) {
  device::Gpu gpu;
  gpu.index.value = index;
  gpu.name = name_of(found.device, pci_ids);
  gpu.pci_bus_id = found.bus_id;
  gpu.pci_class = found.pci_class;
  gpu.numa_node = found.numa_node;
  gpu.is_passed_through = true;
  const auto resource = host.read_file(attribute(found, "resource"));
  if (resource) gpu.memory_bytes = addressable_memory(*resource);
  return gpu;
}

}  // namespace

std::uint64_t addressable_memory(std::string_view resource) {
  std::uint64_t sum = 0;
  for (int bar = 0; bar < kBars && !resource.empty(); ++bar) {
    std::string_view line = take_until(resource, '\n');
    const auto first = read_hex(take_until(line, ' '));
    const auto last = read_hex(take_until(line, ' '));
    const auto flags = read_hex(line);
    if (!first || !last || !flags) return 0;
    if (*last <= *first || (*flags & kTypeMask) != kType64) continue;
    if (__builtin_add_overflow(sum, *last - *first + 1, &sum)) return 0;
  }
  return rounded_up(sum);
}

// Vendors stand at a line's begin, their devices after one tab, the devices'
// subsystems after two; classes, last, begin with "C ".
std::optional<std::string> find_pci_name(std::string_view pci_ids,
                                         std::uint16_t vendor,
                                         std::uint16_t device) {
  const std::string vendor_line = fmt::format("{:04x} ", vendor);
  const std::string device_line = fmt::format("\t{:04x} ", device);
  bool is_vendor = false;
  while (!pci_ids.empty()) {
    const std::string_view line = take_until(pci_ids, '\n');
    if (line.empty() || line.front() == '#') continue;
    if (line.front() != '\t') {
      if (is_vendor) return std::nullopt;
      is_vendor = line.starts_with(vendor_line);
    } else if (is_vendor && line.starts_with(device_line)) {
      std::string name = trimmed(line.substr(device_line.size()));
      if (name.empty()) return std::nullopt;
      return name;
    }
  }
  return std::nullopt;
}

device::Inventory list_passthrough_gpus(const host::HostRoot& host) {
  device::Inventory inventory;
  const std::string pci_ids = read_pci_ids(host);
  unsigned index = 0;
  for (const PciGpu& found : list_pci_gpus(host)) {
    // A virtual function is a part of a GPU that is in the list itself.
    if (host.read_link(attribute(found, "physfn"))) continue;
    if (found.driver == kDriver) {
      inventory.gpus.push_back(describe(host, found, index, pci_ids));
    } else {
      inventory.lost.push_back(
          {device::Index{index}, std::nullopt,
           found.driver.empty()
               ? fmt::format("{} has no driver, not vfio-pci", found.bus_id)
               : fmt::format("{} is bound to {}, not to vfio-pci", found.bus_id,
                             found.driver)});
    }
    ++index;
  }
  inventory.topology = device::Topology(inventory.gpus.size());
  return inventory;
}

}  // namespace gpunode::procfs
