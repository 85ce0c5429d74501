#include "node/facts/facts_json.h"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text/json_splice.h"
#include "base/text/node.h"
#include "node/facts/obstacles.h"

namespace gpunode::facts {
namespace {

using text::json_array;
using text::json_object;
using text::json_string;

std::string json(bool value) {
  return value ? "true" : "false";
}
std::string json(std::uint64_t value) {
  return std::to_string(value);
}
std::string json(const std::string& value) {
  return json_string(value);
}

std::string json(const std::vector<std::string>& values) {
  std::vector<std::string> items;
  items.reserve(values.size());
  for (const std::string& value : values) items.push_back(json_string(value));
  return json_array(items);
}

template <class T, class Write>
std::string list(const std::vector<T>& values, Write write) {
  std::vector<std::string> items;
  items.reserve(values.size());
  for (const T& value : values) items.push_back(write(value));
  return json_array(items);
}

template <class T, class Write>
std::string table(const std::map<std::string, T>& values, Write write) {
  std::vector<std::pair<std::string_view, std::string>> members;
  members.reserve(values.size());
  for (const auto& [key, value] : values) {
    members.emplace_back(key, write(value));
  }
  return json_object(members);
}

std::string json(const OsRelease& os) {
  return json_object({{"id", json(os.id)},
                      {"idLike", json(os.id_like)},
                      {"versionId", json(os.version_id)},
                      {"codename", json(os.codename)},
                      {"variantId", json(os.variant_id)},
                      {"prettyName", json(os.pretty_name)}});
}

std::string json(const KernelFacts& kernel) {
  return json_object({{"release", json(kernel.release)},
                      {"machine", json(kernel.machine)},
                      {"bootId", json(kernel.boot_id)},
                      {"commandLine", json(kernel.command_line)}});
}

std::string json(const MachineFacts& machine) {
  return json_object({{"vendor", json(machine.vendor)},
                      {"product", json(machine.product)},
                      {"cloud", json(machine.cloud)},
                      {"memoryBytes", json(machine.memory_bytes)},
                      {"processors", std::to_string(machine.processors)},
                      {"efi", json(machine.efi)},
                      {"container", json(machine.container)},
                      {"containerKind", json(machine.container_kind)},
                      {"imageBased", json(machine.image_based)},
                      {"imageKind", json(machine.image_kind)},
                      {"wsl", json(machine.wsl)},
                      {"tegra", json(machine.tegra)},
                      {"systemd", json(machine.systemd)},
                      {"managesNvlink", json(machine.manages_nvlink)},
                      {"selinux", json(machine.selinux)},
                      {"selinuxEnforcing", json(machine.selinux_enforcing)}});
}

std::string json(const ModuleFile& module) {
  if (module.path.empty()) return "null";
  return json_object({{"path", json(module.path)},
                      {"version", json(module.version)},
                      {"vermagic", json(module.vermagic)},
                      {"license", json(module.license)},
                      {"signer", json(module.signer)}});
}

std::string json(const KernelImage& image) {
  return json_object({{"release", json(image.release)},
                      {"hasDevel", json(image.has_devel)},
                      {"develRelease", json(image.devel_release)},
                      {"compiler", json(image.compiler)},
                      {"module", json(image.module)}});
}

std::string json(const KernelsFacts& kernels) {
  return json_object(
      {{"images", list(kernels.images,
                       [](const KernelImage& image) { return json(image); })},
       {"next", json(kernels.next)},
       {"nextWhy", json(kernels.next_why)}});
}

std::string json(SecureBoot state) {
  switch (state) {
    case SecureBoot::kOff:
      return "\"off\"";
    case SecureBoot::kOn:
      return "\"on\"";
    case SecureBoot::kUnknown:
      return "\"unknown\"";
    case SecureBoot::kAbsent:
      break;
  }
  return "\"absent\"";
}

std::string json(const SecureBootFacts& facts) {
  const std::string enrolled =
      facts.is_mok_enrolled ? json(*facts.is_mok_enrolled) : "null";
  return json_object({{"state", json(facts.state)},
                      {"enforcesSignatures", json(facts.enforces_signatures)},
                      {"lockdown", json(facts.lockdown)},
                      {"mokCertificate", json(facts.mok_certificate)},
                      {"mokEnrolled", enrolled}});
}

std::string json(const procfs::PciLink& link) {
  return json_object(
      {{"width", json(std::uint64_t{link.width})},
       {"megatransfersPerSecond", json(std::uint64_t{link.speed_mts})}});
}

std::string_view word(procfs::PciMemory memory) {
  switch (memory) {
    case procfs::PciMemory::kAssigned:
      return "assigned";
    case procfs::PciMemory::kLacking:
      return "lacking";
    case procfs::PciMemory::kUnknown:
      break;
  }
  return "";
}

std::string json(const PciGpu& gpu) {
  const procfs::PciCondition& condition = gpu.condition;
  return json_object(
      {{"address", json(gpu.address)},
       {"id", json(fmt::format("10de:{:04x}", gpu.device_id))},
       {"product", json(gpu.product)},
       {"driver", json(gpu.driver)},
       {"isSwitch", json(gpu.is_switch)},
       {"isVgpu", json(gpu.is_vgpu)},
       {"isLost", json(condition.is_lost)},
       {"physicalFunction", json(condition.physical_function)},
       {"virtualFunctions", json(std::uint64_t{condition.virtual_functions})},
       {"memory", json(std::string(word(condition.memory)))},
       {"link", json(condition.link)},
       {"linkMost", json(condition.link_most)}});
}

std::string json(const DiskFacts& disk) {
  const host::BlockDevice& device = disk.device;
  return json_object(
      {{"name", json(device.name)},
       {"path", json(device.path)},
       {"number", json(device.number.text())},
       {"sizeBytes", json(device.size_bytes)},
       {"subsystem", json(std::string(host::word(device.subsystem)))},
       {"vendor", json(device.vendor)},
       {"model", json(device.model)},
       {"serial", json(device.serial)},
       {"wwid", json(device.wwid)},
       {"pciAddress", json(device.pci_address)},
       {"readOnly", json(device.read_only)},
       {"removable", json(device.removable)},
       {"rotational", json(device.rotational)},
       {"isSystem", json(disk.is_system)},
       {"inUse", json(disk.in_use)}});
}

std::string json(const SwapFacts& swap) {
  return json_object({{"path", json(swap.path)},
                      {"kind", json(swap.kind)},
                      {"sizeBytes", json(swap.size_bytes)}});
}

std::string json(const FstabLine& line) {
  return json_object({{"line", json(std::uint64_t{line.line})},
                      {"source", json(line.source)},
                      {"target", json(line.target)},
                      {"type", json(line.type)},
                      {"options", json(line.options)},
                      {"pass", std::to_string(line.pass)}});
}

std::string json(const FileFacts& file) {
  return json_object(
      {{"exists", json(file.exists())},
       {"sizeBytes",
        file.content ? json(std::uint64_t{file.content->size()}) : "null"},
       {"mode", json(fmt::format("{:04o}", file.mode))},
       {"linkTarget", json(file.link_target)},
       {"error", json(file.error)}});
}

std::string json(const TreeFacts& tree) {
  return json_object({{"exists", json(tree.exists)},
                      {"isDirectory", json(tree.is_directory)},
                      {"isMountPoint", json(tree.is_mount_point)},
                      {"entries", json(tree.entries)},
                      {"link", json(tree.link)}});
}

std::string json(const UnitFacts& unit) {
  return json_object(
      {{"loadState", json(unit.load_state)},
       {"activeState", json(unit.active_state)},
       {"unitFileState", json(unit.unit_file_state)},
       {"triggeredBy", list(unit.triggered_by, [](const std::string& one) {
          return json(one);
        })}});
}

std::string json(const DkmsBuild& build) {
  return json_object({{"source", json(build.source)},
                      {"version", json(build.version)},
                      {"kernel", json(build.kernel)},
                      {"isInstalled", json(build.is_installed)}});
}

std::string json(const DriverFacts& driver) {
  return json_object(
      {{"loadedVersion", json(driver.loaded_version)},
       {"isLoadedOpen", json(driver.is_loaded_open)},
       {"users", std::to_string(driver.users)},
       {"params", table(driver.params,
                        [](const std::string& value) { return json(value); })},
       {"procGpus", std::to_string(driver.proc_gpus)},
       {"library", json(driver.library)},
       {"hasRunfile", json(driver.has_runfile)},
       {"hasContainer", json(driver.has_container)},
       {"dkms",
        list(driver.dkms, [](const DkmsBuild& build) { return json(build); })},
       {"holders", json(driver.holders)}});
}

std::string json(const Obstacle& obstacle) {
  return json_object({{"id", json(obstacle.id)},
                      {"blocks", json(obstacle.blocks)},
                      {"message", json(obstacle.words)},
                      {"remedy", json(obstacle.remedy)}});
}

constexpr auto kAny = [](const auto& value) { return json(value); };

}  // namespace

std::string to_json(const HostFacts& facts) {
  return json_object(
      {{"version", "1"},
       {"os", json(facts.os)},
       {"kernel", json(facts.kernel)},
       {"machine", json(facts.machine)},
       {"kernels", json(facts.kernels)},
       {"secureBoot", json(facts.secure_boot)},
       {"gpus", list(facts.gpus, kAny)},
       {"disks",
        facts.storage.is_known ? list(facts.storage.disks, kAny) : "null"},
       {"swaps", list(facts.swaps, kAny)},
       {"fstab", list(facts.fstab, kAny)},
       {"files", table(facts.files, kAny)},
       {"trees", table(facts.trees, kAny)},
       {"units", table(facts.units, kAny)},
       {"packages", table(facts.packages,
                          [](const PackageFacts& package) {
                            return json(package.version);
                          })},
       {"sysctls", table(facts.sysctls, kAny)},
       {"modules", table(facts.modules,
                         [](bool is_loaded) {
                           return json(
                               std::string(is_loaded ? "loaded" : "builtin"));
                         })},
       {"driver", json(facts.driver)},
       {"gaps", json(facts.gaps)},
       {"obstacles", list(find_obstacles(facts), kAny)}});
}

}  // namespace gpunode::facts
