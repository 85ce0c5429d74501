#include "gpu/procfs/pci_condition.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace gpunode::procfs {
namespace {

constexpr int kBars = 6;
// include/linux/ioport.h; the kernel prints them to user space as they are.
constexpr std::uint64_t kIsMemory = 0x200;
constexpr std::uint64_t kIsUnset = 0x20000000;
// PCI Express: lanes are counted in six bits, all ones for a dead link.
constexpr unsigned kMostLanes = 32;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  return text;
}

std::string_view take_until(std::string_view& rest, char mark) {
  const std::size_t end = rest.find(mark);
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

std::optional<std::uint64_t> hex_of(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

unsigned lanes_of(std::string_view text) {
  text = trimmed(text);
  unsigned lanes = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, lanes);
  const bool is_number = error == std::errc() && stop == end;
  return is_number && lanes <= kMostLanes ? lanes : 0;
}

std::string read(const host::HostRoot& host, const std::string& path) {
  auto text = host.read_file(path);
  return text ? *std::move(text) : std::string();
}

PciLink read_link_state(const host::HostRoot& host, const std::string& folder,
                        std::string_view which) {
  const std::string at = fmt::format("{}/{}_link_", folder, which);
  return {lanes_of(read(host, at + "width")),
          link_speed_of(read(host, at + "speed"))};
}

bool is_all_ones(std::string_view config) {
  constexpr std::size_t kVendorAndDevice = 4;
  return config.size() >= kVendorAndDevice &&
         std::ranges::all_of(config.substr(0, kVendorAndDevice),
                             [](char c) { return c == '\xff'; });
}

/// Chips beside a processor whose memory they share: no window into their own
/// is needed, and what regions they have is not known here.
bool shares_memory(std::uint16_t device) {
  return device >= 0x2e00 && device <= 0x2eff;  // GB10.
}

unsigned count_virtual_functions(const host::HostRoot& host,
                                 const std::string& folder) {
  const std::string text = read(host, folder + "/sriov_numvfs");
  const std::string_view digits = trimmed(text);
  unsigned count = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, count);
  return error == std::errc() && stop == end ? count : 0;
}

}  // namespace

std::uint32_t link_speed_of(std::string_view text) {
  text = trimmed(text);
  const std::string_view number = take_until(text, ' ');
  if (!text.starts_with("GT/s")) return 0;
  std::string_view rest = number;
  const std::string_view whole = take_until(rest, '.');
  unsigned giga = 0;
  unsigned tenths = 0;
  const auto is_read = [](std::string_view digits, unsigned& value) {
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    return error == std::errc() && stop == end;
  };
  constexpr unsigned kMost = 1024;
  if (!is_read(whole, giga) || giga > kMost) return 0;
  const bool has_tenths = !rest.empty();
  if (has_tenths && (rest.size() != 1 || !is_read(rest, tenths))) return 0;
  return giga * 1000 + tenths * 100;
}

PciMemory pci_memory_of(std::string_view resource, std::uint16_t device) {
  int regions = 0;
  for (int bar = 0; bar < kBars; ++bar) {
    std::string_view line = take_until(resource, '\n');
    const auto start = hex_of(take_until(line, ' '));
    const auto end = hex_of(take_until(line, ' '));
    const auto flags = hex_of(line);
    if (!start || !end || !flags) return PciMemory::kUnknown;
    if ((*flags & kIsMemory) == 0) continue;
    if (*start == 0 || (*flags & kIsUnset) != 0) return PciMemory::kLacking;
    ++regions;
  }
  if (shares_memory(device)) return PciMemory::kUnknown;
  // Registers and a window into the GPU's memory. The kernel wipes what it
  // found no address for, and a region that is not there looks the same.
  return regions < 2 ? PciMemory::kLacking : PciMemory::kAssigned;
}

PciCondition read_pci_condition(const host::HostRoot& host, const PciGpu& gpu,
                                std::string_view config) {
  PciCondition condition;
  const std::string folder = "/sys/bus/pci/devices/" + gpu.bus_id;
  condition.is_lost = is_all_ones(config);
  if (const auto whole = host.read_link(folder + "/physfn")) {
    condition.physical_function = whole->substr(whole->rfind('/') + 1);
  } else {
    // The regions of a virtual function are shares of those of the whole.
    if (!gpu.is_switch()) {
      condition.memory =
          pci_memory_of(read(host, folder + "/resource"), gpu.device);
    }
    condition.virtual_functions = count_virtual_functions(host, folder);
  }
  condition.link = read_link_state(host, folder, "current");
  condition.link_most = read_link_state(host, folder, "max");
  return condition;
}

}  // namespace gpunode::procfs
