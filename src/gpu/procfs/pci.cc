#include "gpu/procfs/pci.h"

#include <charconv>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

namespace gpunode::procfs {
namespace {

constexpr std::string_view kDevices = "/sys/bus/pci/devices";
constexpr std::uint32_t kNvidia = 0x10de;
// The class without its programming interface: VGA and 3D controllers.
constexpr std::uint32_t kVga = 0x0300;
constexpr std::uint32_t k3d = 0x0302;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  return text;
}

std::optional<std::string> read_attribute(const host::HostRoot& host,
                                          std::string_view bus_id,
                                          std::string_view attribute) {
  // A bus id is a file's name here: one with a slash would be a path.
  if (bus_id.empty() || bus_id.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  auto text =
      host.read_file(fmt::format("{}/{}/{}", kDevices, bus_id, attribute));
  if (!text) return std::nullopt;
  return std::string(trimmed(*text));
}

template <class Number>
std::optional<Number> parse_number(std::string_view text, int base) {
  if (base == 16 && text.starts_with("0x")) text.remove_prefix(2);
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<std::uint32_t> read_hex(const host::HostRoot& host,
                                      std::string_view bus_id,
                                      std::string_view attribute) {
  const auto text = read_attribute(host, bus_id, attribute);
  if (!text) return std::nullopt;
  return parse_number<std::uint32_t>(*text, 16);
}

std::string driver_of(const host::HostRoot& host, std::string_view bus_id) {
  const auto link =
      host.read_link(fmt::format("{}/{}/driver", kDevices, bus_id));
  if (!link) return "";
  return link->substr(link->rfind('/') + 1);  // npos + 1 is 0: the whole.
}

std::optional<PciGpu> read_gpu(const host::HostRoot& host,
                               const std::string& bus_id) {
  if (read_hex(host, bus_id, "vendor") != kNvidia) return std::nullopt;
  const auto pci_class = read_hex(host, bus_id, "class");
  if (!pci_class) return std::nullopt;
  PciGpu gpu;
  gpu.bus_id = bus_id;
  gpu.pci_class = *pci_class;
  const std::uint32_t kind = *pci_class >> 8U;
  if (kind != kVga && kind != k3d && !gpu.is_switch()) return std::nullopt;
  // 0, which is no chip's, if it cannot be read.
  gpu.device =
      static_cast<std::uint16_t>(read_hex(host, bus_id, "device").value_or(0));
  gpu.numa_node = numa_node_of(host, bus_id);
  gpu.driver = driver_of(host, bus_id);
  return gpu;
}

}  // namespace

std::vector<PciGpu> list_pci_gpus_and_switches(const host::HostRoot& host) {
  std::vector<PciGpu> gpus;
  const auto names = host.list_directory(std::string(kDevices));
  if (!names) return gpus;
  for (const std::string& bus_id : *names) {
    if (auto gpu = read_gpu(host, bus_id)) gpus.push_back(*std::move(gpu));
  }
  return gpus;
}

std::vector<PciGpu> list_pci_gpus(const host::HostRoot& host) {
  std::vector<PciGpu> gpus = list_pci_gpus_and_switches(host);
  std::erase_if(gpus, [](const PciGpu& gpu) { return gpu.is_switch(); });
  return gpus;
}

std::optional<unsigned> numa_node_of(const host::HostRoot& host,
                                     std::string_view bus_id) {
  const auto text = read_attribute(host, bus_id, "numa_node");
  if (!text) return std::nullopt;
  const auto node = parse_number<int>(*text, 10);
  if (!node || *node < 0) return std::nullopt;
  return static_cast<unsigned>(*node);
}

std::optional<std::uint32_t> pci_class_of(const host::HostRoot& host,
                                          std::string_view bus_id) {
  return read_hex(host, bus_id, "class");
}

std::string describe_pci_gpus(const std::vector<PciGpu>& gpus) {
  if (gpus.empty()) return "no NVIDIA GPU on the PCI bus";
  constexpr std::size_t kShown = 4;
  std::string text =
      fmt::format("{} NVIDIA GPU{} on the PCI bus: ", gpus.size(),
                  gpus.size() == 1 ? "" : "s");
  for (std::size_t i = 0; i < gpus.size() && i < kShown; ++i) {
    const PciGpu& gpu = gpus[i];
    text += fmt::format(
        "{}{} ({}, {})", i == 0 ? "" : ", ", gpu.bus_id,
        gpu.device == 0 ? "its device id cannot be read"
                        : fmt::format("10de:{:04x}", gpu.device),
        gpu.driver.empty() ? "no driver bound" : "driver " + gpu.driver);
  }
  if (gpus.size() > kShown) {
    text += fmt::format(" and {} more", gpus.size() - kShown);
  }
  return text;
}

}  // namespace gpunode::procfs
