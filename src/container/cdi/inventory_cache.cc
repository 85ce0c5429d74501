#include "container/cdi/inventory_cache.h"

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/host/file.h"
#include "container/cdi/driver_directory.h"
#include "container/cdi/packing.h"

namespace gpunode::cdi {
namespace {

// With a digit that every change of the lists of fields below must raise.
constexpr std::string_view kMagic = "gpunode inventory 2\n";

// The fields, once for both directions. `Archive` is Packer with const values
// or Unpacker with others.

template <class Archive, class... Values>
void fields(Archive& archive, Values&... values) {
  (archive.value(values), ...);
}

constexpr auto kTexts = [](auto& archive, auto& text) { archive.value(text); };

constexpr auto kMig = [](auto& archive, auto& mig) {
  fields(archive, mig.id.value, mig.mig_index, mig.gpu_instance,
         mig.compute_instance, mig.profile, mig.gpu_instance_cap_path,
         mig.compute_instance_cap_path);
};

constexpr auto kGpu = [](auto& archive, auto& gpu) {
  fields(archive, gpu.id.value, gpu.index.value, gpu.minor.value, gpu.name,
         gpu.pci_bus_id, gpu.mig_capable, gpu.mig_enabled);
  archive.list(gpu.mig_devices, kMig);
};

constexpr auto kFile = [](auto& archive, auto& file) {
  std::uint8_t bits = file.capabilities.bits();
  fields(archive, file.kind, file.path, file.source, bits, file.is_32bit);
  if constexpr (!std::is_const_v<std::remove_reference_t<decltype(file)>>) {
    file.capabilities = DriverCapabilities::from_bits(bits);
  }
};

constexpr auto kLink = [](auto& archive, auto& link) {
  std::uint8_t bits = link.capabilities.bits();
  fields(archive, link.path, link.target, bits, link.is_32bit);
  if constexpr (!std::is_const_v<std::remove_reference_t<decltype(link)>>) {
    link.capabilities = DriverCapabilities::from_bits(bits);
  }
};

constexpr auto kNode = [](auto& archive, auto& node) {
  fields(archive, node.group, node.path, node.major, node.minor, node.mode,
         node.gid, node.is_missing);
};

constexpr auto kPair = [](auto& archive, auto& pair) {
  fields(archive, pair.first, pair.second);
};

constexpr auto kDrm = [](auto& archive, auto& drm) {
  archive.value(drm.pci_bus_id);
  archive.list(drm.paths, kTexts);
  archive.list(drm.by_path, kPair);
};

constexpr auto kWitness = [](auto& archive, auto& witness) {
  auto& stamp = witness.stamp;
  fields(archive, witness.root, witness.path, stamp.device, stamp.inode,
         stamp.links, stamp.seconds, stamp.nanoseconds);
};

template <class Archive, class AnyCached>
void all_fields(Archive& archive, AnyCached& cached) {
  fields(archive, cached.source, cached.version);
  archive.list(cached.witnesses, kWitness);
  auto& inventory = cached.findings.inventory;
  archive.value(inventory.driver_version);
  archive.list(inventory.gpus, kGpu);
  auto& driver = cached.findings.driver;
  archive.value(driver.version);
  archive.list(driver.files, kFile);
  archive.list(driver.links, kLink);
  archive.list(driver.libcuda_directories, kTexts);
  archive.list(driver.witnesses, kTexts);
  archive.list(driver.problems, kTexts);
  auto& devices = cached.findings.devices;
  archive.list(devices.nodes, kNode);
  archive.list(devices.drm, kDrm);
  archive.list(devices.witnesses, kTexts);
  archive.list(devices.problems, kTexts);
}

std::optional<WatchedFindings> read_cache(const std::string& path,
                                          const FindingsSource& source) {
  const auto bytes = host::HostRoot().read_file(path);
  if (!bytes || !bytes->starts_with(kMagic)) return std::nullopt;
  Unpacker unpacker(std::string_view(*bytes).substr(kMagic.size()));
  std::optional<WatchedFindings> cached(std::in_place);
  all_fields(unpacker, *cached);
  if (!unpacker.is_done() || !is_of_loaded_driver(*cached, source)) {
    return std::nullopt;
  }
  return cached;
}

}  // namespace

std::optional<Findings> load_findings(const std::string& path,
                                      const FindingsSource& source) {
  std::optional<WatchedFindings> cached = read_cache(path, source);
  if (!cached || !still_hold(*cached, source)) return std::nullopt;
  return std::move(cached->findings);
}

std::optional<device::Inventory> last_inventory(const std::string& path,
                                                const FindingsSource& source) {
  std::optional<WatchedFindings> cached = read_cache(path, source);
  if (!cached) return std::nullopt;
  return std::move(cached->findings.inventory);
}

Result<void> store_findings(const std::string& path,
                            const FindingsSource& source,
                            const Findings& findings, timespec begun) {
  if (findings.driver.version.empty()) return {};
  const std::string directory = directory_of(path);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return Error::from_errno("make directory " + directory, error.value());
  }
  const WatchedFindings cached = watch(source, findings, begun);
  Packer packer;
  all_fields(packer, cached);
  constexpr mode_t kForRoot = 0600;
  return host::write_file_atomic(
      path, std::string(kMagic) + std::move(packer).bytes(), kForRoot,
      host::Durability::kVolatile);
}

}  // namespace gpunode::cdi
