#include "container/cdi/inventory_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/file.h"
#include "container/cdi/driver_directory.h"
#include "container/cdi/packing.h"

namespace gpunode::cdi {
namespace {

// With a digit that every change of the lists of fields below must raise.
constexpr std::string_view kMagic = "gpunode inventory 2\n";
constexpr const char* kVersionFile = "/proc/driver/nvidia/version";

/// What tells whether a place has changed. All zero: it is not there.
struct Stamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t links = 0;  // Of a directory of procfs: its subdirectories.
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;

  bool operator==(const Stamp&) const = default;
};

enum class Root : std::uint8_t { kDriver, kDev, kHost };

struct Witness {
  Root root = Root::kHost;
  std::string path;
  Stamp stamp;
};

struct Cached {
  std::string source;   // Its FindingsSource, as text.
  std::string version;  // What module_facts() says.
  std::vector<Witness> witnesses;
  Findings findings;
};

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

Stamp stamp_of(const host::HostRoot& root, const std::string& path) {
  const auto fd = root.open(path, O_PATH);
  struct stat status {};
  if (!fd || ::fstat(fd->get(), &status) != 0) return {};
  Stamp stamp;
  stamp.device = status.st_dev;
  stamp.inode = status.st_ino;
  stamp.links = status.st_nlink;
  // procfs makes its times up, whenever it is asked.
  if (path.starts_with("/proc/")) return stamp;
  stamp.seconds = status.st_mtim.tv_sec;
  stamp.nanoseconds = status.st_mtim.tv_nsec;
  return stamp;
}

const host::HostRoot& root_of(const FindingsSource& source, Root root) {
  switch (root) {
    case Root::kDriver:
      return source.driver.root;
    case Root::kDev:
      return source.devices.dev_root;
    case Root::kHost:
      break;
  }
  return source.driver.host;
}

std::vector<Witness> witnesses_of(const FindingsSource& source,
                                  const Findings& findings) {
  std::vector<Witness> witnesses;
  const auto add = [&](Root root, const std::string& path) {
    witnesses.push_back({root, path, stamp_of(root_of(source, root), path)});
  };
  for (const std::string& path : findings.driver.witnesses) {
    add(Root::kDriver, path);
  }
  for (const std::string& path : findings.devices.witnesses) {
    add(Root::kDev, path);
  }
  add(Root::kHost, "/proc/driver/nvidia/gpus");
  for (const device::Gpu& gpu : findings.inventory.gpus) {
    if (!gpu.mig_capable) continue;
    const std::string mig = fmt::format(
        "/proc/driver/nvidia/capabilities/gpu{}/mig", gpu.minor.value);
    add(Root::kHost, mig);
    std::string last;
    for (const device::MigDevice& each : gpu.mig_devices) {
      std::string instance = fmt::format("{}/gi{}", mig, each.gpu_instance);
      if (instance == last) continue;
      add(Root::kHost, instance);
      last = std::move(instance);
    }
  }
  return witnesses;
}

std::string describe(const FindingsSource& source) {
  const DriverSearch& driver = source.driver;
  const DeviceSearch& devices = source.devices;
  std::vector<std::string> words = {
      driver.root.prefix(), driver.host.prefix(), devices.dev_root.prefix(),
      devices.host.prefix(),
      fmt::format("{}{}{}{}", driver.with_loader_libraries,
                  driver.with_graphics, driver.with_sockets,
                  devices.with_imex_channels)};
  for (const std::vector<std::string>* list :
       {&driver.library_directories, &driver.config_directories,
        &driver.binary_directories, &driver.additional_libraries,
        &devices.additional_devices}) {
    words.emplace_back();
    words.insert(words.end(), list->begin(), list->end());
  }
  return fmt::format("{}", fmt::join(words, "\n"));
}

/// The loaded driver, and the majors of device nodes that nobody has made yet.
std::string module_facts(const FindingsSource& source) {
  std::string facts;
  for (const char* path : {kVersionFile, "/proc/devices"}) {
    if (const auto text = source.driver.host.read_file(path)) facts += *text;
    facts += '\n';
  }
  return facts;
}

std::optional<Cached> read_cache(const std::string& path,
                                 const FindingsSource& source) {
  const auto bytes = host::HostRoot().read_file(path);
  if (!bytes || !bytes->starts_with(kMagic)) return std::nullopt;
  Unpacker unpacker(std::string_view(*bytes).substr(kMagic.size()));
  std::optional<Cached> cached(std::in_place);
  all_fields(unpacker, *cached);
  if (!unpacker.is_done() || cached->version != module_facts(source)) {
    return std::nullopt;
  }
  return cached;
}

/// Times are as coarse as the kernel's tick, so a little before counts too.
bool is_after(const Stamp& stamp, timespec begun) {
  constexpr std::int64_t kTick = 20'000'000;
  constexpr std::int64_t kSecond = 1'000'000'000;
  return stamp.seconds * kSecond + stamp.nanoseconds >=
         begun.tv_sec * kSecond + begun.tv_nsec - kTick;
}

}  // namespace

std::optional<Findings> load_findings(const std::string& path,
                                      const FindingsSource& source) {
  std::optional<Cached> cached = read_cache(path, source);
  if (!cached || cached->source != describe(source)) return std::nullopt;
  for (const Witness& witness : cached->witnesses) {
    const host::HostRoot& root = root_of(source, witness.root);
    if (stamp_of(root, witness.path) != witness.stamp) return std::nullopt;
  }
  return std::move(cached->findings);
}

std::optional<device::Inventory> last_inventory(const std::string& path,
                                                const FindingsSource& source) {
  std::optional<Cached> cached = read_cache(path, source);
  if (!cached) return std::nullopt;
  return std::move(cached->findings.inventory);
}

timespec look_begins() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
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
  Cached cached{describe(source), module_facts(source),
                witnesses_of(source, findings), findings};
  for (Witness& witness : cached.witnesses) {
    // A stamp that no place has.
    if (is_after(witness.stamp, begun)) witness.stamp = {0, 1, 0, 0, 0};
  }
  Packer packer;
  all_fields(packer, cached);
  constexpr mode_t kForRoot = 0600;
  return host::write_file_atomic(
      path, std::string(kMagic) + std::move(packer).bytes(), kForRoot,
      host::Durability::kVolatile);
}

}  // namespace gpunode::cdi
