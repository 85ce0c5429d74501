#include "gpu/procfs/gpu_list.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "gpu/procfs/annotation.h"
#include "gpu/procfs/kernel_module.h"

namespace gpunode::procfs {
namespace {

constexpr std::string_view kGpus = "/proc/driver/nvidia/gpus";
constexpr std::string_view kCapabilities = "/proc/driver/nvidia/capabilities";

std::optional<unsigned> take_number(std::string_view& text, int base) {
  unsigned number = 0;
  const char* const begin = text.data();
  const auto [stop, error] =
      std::from_chars(begin, begin + text.size(), number, base);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - begin));
  return number;
}

// "0000:3b:00.0" as numbers, so that a domain over ffff sorts after the rest.
using Address = std::tuple<unsigned, unsigned, unsigned, unsigned>;

std::optional<Address> parse_address(std::string_view text) {
  const auto domain = take_number(text, 16);
  if (!domain || !text.starts_with(':')) return std::nullopt;
  text.remove_prefix(1);
  const auto bus = take_number(text, 16);
  if (!bus || !text.starts_with(':')) return std::nullopt;
  text.remove_prefix(1);
  const auto slot = take_number(text, 16);
  if (!slot || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  const auto function = take_number(text, 16);
  if (!function || !text.empty()) return std::nullopt;
  return Address{*domain, *bus, *slot, *function};
}

// "N" of a directory called `prefix`N.
std::optional<unsigned> numbered(std::string_view name,
                                 std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  const auto number = take_number(name, 10);
  return name.empty() ? number : std::nullopt;
}

std::vector<unsigned> list_numbered(const host::HostRoot& host,
                                    const std::string& directory,
                                    std::string_view prefix) {
  std::vector<unsigned> numbers;
  const auto names = host.list_directory(directory);
  if (!names) return numbers;
  for (const std::string& name : *names) {
    if (const auto number = numbered(name, prefix)) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

// The value of "Device Minor: \t 0".
std::string_view value_of(std::string_view text, std::string_view label) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.starts_with(label)) continue;
    std::string_view value = line.substr(label.size());
    const std::size_t start = value.find_first_not_of(" \t");
    if (start == std::string_view::npos) return {};
    value.remove_prefix(start);
    return value.substr(0, value.find_last_not_of(" \t") + 1);
  }
  return {};
}

struct Found {
  Address address;
  std::string name;  // Of its directory, the bus id.
};

std::vector<Found> find_gpus(const host::HostRoot& host) {
  std::vector<Found> found;
  const auto names = host.list_directory(std::string(kGpus));
  if (!names) return found;
  for (const std::string& name : *names) {
    if (const auto address = parse_address(name)) {
      found.push_back({*address, name});
    }
  }
  std::ranges::sort(found, {}, &Found::address);
  return found;
}

/// What "information" says; nothing for a GPU that an administrator excluded.
Result<std::optional<device::Gpu>> read_gpu(const host::HostRoot& host,
                                            const std::string& bus_id) {
  const std::string path = fmt::format("{}/{}/information", kGpus, bus_id);
  TRY(const std::string text, host.read_file(path));
  if (value_of(text, "GPU Excluded:") == "Yes") {
    return std::optional<device::Gpu>();
  }
  device::Gpu gpu;
  std::string_view minor = value_of(text, "Device Minor:");
  const auto number = take_number(minor, 10);
  if (!number || !minor.empty()) {
    return Error(ErrorCode::kCorrupt, path + ": no device minor in it");
  }
  gpu.minor.value = *number;
  gpu.name = value_of(text, "Model:");
  gpu.pci_bus_id = bus_id;
  const std::string_view uuid = value_of(text, "GPU UUID:");
  if (uuid.find('?') == std::string_view::npos) gpu.id.value = uuid;
  return std::optional(std::move(gpu));
}

void add_mig_devices(const host::HostRoot& host, device::Gpu& gpu,
                     std::span<const MigUuid> uuids) {
  const std::string mig =
      fmt::format("{}/gpu{}/mig", kCapabilities, gpu.minor.value);
  gpu.mig_capable = host.exists(mig);
  for (const unsigned instance : list_numbered(host, mig, "gi")) {
    gpu.mig_enabled = true;
    for (const unsigned compute :
         list_numbered(host, fmt::format("{}/gi{}", mig, instance), "ci")) {
      device::MigDevice& device = gpu.mig_devices.emplace_back();
      device.mig_index = static_cast<unsigned>(gpu.mig_devices.size() - 1);
      device.gpu_instance = instance;
      device.compute_instance = compute;
      const auto known = std::ranges::find_if(uuids, [&](const MigUuid& uuid) {
        return uuid.gpu == gpu.minor && uuid.gpu_instance == instance &&
               uuid.compute_instance == compute;
      });
      if (known == uuids.end()) continue;
      device.id = known->id;
      device.mig_index = known->mig_index;
    }
  }
}

}  // namespace

std::vector<MigUuid> mig_uuids_of(const device::Inventory& inventory) {
  std::vector<MigUuid> uuids;
  for (const device::Gpu& gpu : inventory.gpus) {
    for (const device::MigDevice& mig : gpu.mig_devices) {
      if (mig.id.value.empty()) continue;
      uuids.push_back({gpu.minor, mig.gpu_instance, mig.compute_instance,
                       mig.mig_index, mig.id});
    }
  }
  return uuids;
}

Result<device::Inventory> list_gpus(const host::HostRoot& host,
                                    std::span<const MigUuid> mig_uuids) {
  TRY(const KernelModule module, load_kernel_module(host));
  device::Inventory inventory;
  inventory.driver_version = module.version;
  unsigned index = 0;
  for (const Found& found : find_gpus(host)) {
    auto gpu = read_gpu(host, found.name);
    if (!gpu) {
      inventory.lost.push_back(
          {{index++}, std::nullopt, gpu.error().message()});
      continue;
    }
    if (!*gpu) continue;
    (*gpu)->index.value = index++;
    add_mig_devices(host, **gpu, mig_uuids);
    inventory.gpus.push_back(**std::move(gpu));
  }
  // Missing capabilities stay empty paths, which is how users of the value
  // see them.
  static_cast<void>(annotate(inventory, host));
  return inventory;
}

}  // namespace gpunode::procfs
