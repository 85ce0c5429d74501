#include "node/facts/facts_text.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/host/block_device.h"
#include "base/host/root_directory.h"
#include "gpu/device/product_name.h"
#include "node/facts/obstacles.h"

namespace gpunode::facts {
namespace {

using host::printable;
using host::size_text;

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!text.empty()) text += ", ";
    text += part;
  }
  return text;
}

void add_line(std::string& out, std::string_view name,
              const std::vector<std::string>& parts) {
  const std::string text = joined(parts);
  if (!text.empty()) out += fmt::format("{:<10}{}\n", name, text);
}

std::string swap_text(const HostFacts& facts) {
  if (facts.swaps.empty()) return "no swap";
  std::vector<std::string> parts;
  for (const SwapFacts& swap : facts.swaps) {
    parts.push_back(fmt::format("{} of swap on {}", size_text(swap.size_bytes),
                                printable(swap.path)));
  }
  return joined(parts);
}

std::string_view words(SecureBoot state) {
  switch (state) {
    case SecureBoot::kOff:
      return "off";
    case SecureBoot::kOn:
      return "on";
    case SecureBoot::kUnknown:
      return "not known";
    case SecureBoot::kAbsent:
      break;
  }
  return "absent";
}

/// "nvidia 580.65.06 (Dual MIT/GPL)".
std::string module_text(const ModuleFile& module) {
  if (module.path.empty()) return "no nvidia module";
  if (module.version.empty()) return "an nvidia module";
  return fmt::format(
      "nvidia {}{}", printable(module.version),
      module.license.empty() ? "" : " (" + printable(module.license) + ")");
}

void describe_kernels(const HostFacts& facts, std::string& out) {
  for (const KernelImage& image : facts.kernels.images) {
    std::vector<std::string> parts = {printable(image.release)};
    if (image.release == facts.kernel.release) parts.emplace_back("runs");
    if (image.release == facts.kernels.next) parts.emplace_back("boots next");
    parts.emplace_back(image.has_devel ? "headers" : "no headers");
    parts.push_back(module_text(image.module));
    out += fmt::format("  {}\n", joined(parts));
  }
}

void describe_secure_boot(const HostFacts& facts, std::string& out) {
  const SecureBootFacts& boot = facts.secure_boot;
  if (boot.state == SecureBoot::kAbsent && !boot.enforces_signatures) return;
  std::string key;
  if (!boot.mok_certificate.empty()) {
    key = fmt::format("DKMS's key {}", !boot.is_mok_enrolled ? "is there"
                                       : *boot.is_mok_enrolled
                                           ? "is enrolled"
                                           : "is not enrolled");
  }
  add_line(out, "Boot",
           {fmt::format("Secure Boot {}", words(boot.state)),
            boot.enforces_signatures ? "modules must be signed" : "", key});
}

void describe_host(const HostFacts& facts, std::string& out) {
  const MachineFacts& machine = facts.machine;
  add_line(out, "Machine",
           {printable(machine.vendor), printable(machine.product),
            machine.cloud.empty() ? "" : "cloud " + machine.cloud,
            machine.container
                ? "container (" + printable(machine.container_kind) + ")"
                : "",
            machine.wsl ? "WSL" : ""});
  const std::string& name = facts.os.pretty_name;
  add_line(
      out, "System",
      {printable(name.empty() ? facts.os.id + " " + facts.os.version_id : name),
       machine.image_based
           ? "image-based (" + printable(machine.image_kind) + ")"
           : "",
       machine.selinux_enforcing ? "SELinux enforcing"
       : machine.selinux         ? "SELinux permissive"
                                 : ""});
  add_line(out, "Kernel",
           {printable(facts.kernel.release), printable(facts.kernel.machine),
            machine.efi ? "UEFI" : "no UEFI"});
  describe_kernels(facts, out);
  describe_secure_boot(facts, out);
  add_line(out, "Memory",
           {machine.memory_bytes == 0 ? "" : size_text(machine.memory_bytes),
            swap_text(facts)});
  if (machine.processors > 0) {
    add_line(out, "CPUs", {std::to_string(machine.processors)});
  }
}

/// ", vGPU, newer than this version's table": what sets this one apart.
std::string condition_text(const PciGpu& gpu) {
  const procfs::PciCondition& condition = gpu.condition;
  std::string text;
  if (gpu.is_vgpu) text += ", vGPU";
  if (!gpu.is_switch && device::is_newer_than_table(gpu.device_id)) {
    text += ", newer than this version's table";
  }
  if (!condition.physical_function.empty()) {
    text += ", virtual function of " + printable(condition.physical_function);
  }
  if (condition.virtual_functions > 0) {
    text += fmt::format(", {} virtual function{}", condition.virtual_functions,
                        condition.virtual_functions == 1 ? "" : "s");
  }
  if (condition.is_lost) text += ", FALLEN OFF THE BUS";
  if (condition.memory == procfs::PciMemory::kLacking) {
    text += ", not enough MMIO";
  }
  return text;
}

void describe_gpus(const HostFacts& facts, std::string& out) {
  const auto switches = static_cast<std::size_t>(std::ranges::count_if(
      facts.gpus, [](const PciGpu& gpu) { return gpu.is_switch; }));
  std::string counts = std::to_string(facts.gpus.size() - switches);
  if (switches > 0) {
    counts +=
        fmt::format(", {} NVSwitch{}", switches, switches == 1 ? "" : "es");
  }
  add_line(out, "GPUs", {counts});
  std::size_t width = 0;
  for (const PciGpu& gpu : facts.gpus) {
    width = std::max(width, gpu.product.size());
  }
  for (const PciGpu& gpu : facts.gpus) {
    out += fmt::format(
        "  {}  {:<{}}  {}  {}{}\n", printable(gpu.address), gpu.product, width,
        gpu.device_id == 0 ? "10de:?   "
                           : fmt::format("10de:{:04x}", gpu.device_id),
        gpu.driver.empty() ? "no driver" : "driver " + printable(gpu.driver),
        condition_text(gpu));
  }
}

/// "580.65.06 (open), library 575.57.08, open in python3 (4711)".
void describe_driver(const HostFacts& facts, std::string& out) {
  const DriverFacts& driver = facts.driver;
  std::vector<std::string> parts;
  if (!driver.loaded_version.empty()) {
    parts.push_back(printable(driver.loaded_version) +
                    (driver.is_loaded_open ? " (open)" : " (proprietary)"));
  }
  if (!driver.library.empty() && driver.library != driver.loaded_version) {
    parts.push_back("library " + printable(driver.library));
  }
  if (driver.has_runfile) parts.emplace_back("installed from a runfile");
  if (driver.has_container) parts.emplace_back("from a container");
  if (!driver.holders.empty()) {
    parts.push_back("open in " + printable(joined(driver.holders)));
  }
  add_line(out, "Driver", parts);
}

/// Devices that stand on others, or on nothing, are no disks to a person.
bool is_disk(const host::BlockDevice& device) {
  switch (device.subsystem) {
    case host::BlockSubsystem::kLoop:
    case host::BlockSubsystem::kMd:
    case host::BlockSubsystem::kDeviceMapper:
    case host::BlockSubsystem::kBcache:
    case host::BlockSubsystem::kMemory:
      return false;
    default:
      return device.size_bytes > 0;
  }
}

void describe_disks(const HostFacts& facts, std::string& out) {
  if (!facts.storage.is_known) return;
  std::string lines;
  int count = 0;
  for (const DiskFacts& disk : facts.storage.disks) {
    if (!is_disk(disk.device)) continue;
    ++count;
    lines += fmt::format("  {}: {}\n", host::describe(disk.device),
                         disk.in_use.empty() ? "nothing is known to stand on it"
                                             : printable(disk.in_use));
  }
  add_line(out, "Disks", {std::to_string(count)});
  out += lines;
}

/// "containerd 1.7.24 active": units that are there.
void describe_services(const HostFacts& facts, std::string& out) {
  std::vector<std::string> parts;
  for (const auto& [name, unit] : facts.units) {
    if (unit.load_state != "loaded" || !name.ends_with(".service")) continue;
    const std::string service = name.substr(0, name.rfind('.'));
    const std::string& state =
        unit.active_state.empty() ? unit.unit_file_state : unit.active_state;
    parts.push_back(service + " " + printable(state));
  }
  add_line(out, "Services", parts);
}

void describe_obstacles(const std::vector<Obstacle>& obstacles, bool blocking,
                        std::string_view heading, std::string& out) {
  bool has_heading = false;
  for (const Obstacle& obstacle : obstacles) {
    if (obstacle.blocks != blocking) continue;
    if (!has_heading) out += fmt::format("\n{}\n", heading);
    has_heading = true;
    out += fmt::format("  {}: {}\n      {}\n", obstacle.id,
                       printable(obstacle.words), obstacle.remedy);
  }
}

}  // namespace

std::string describe(const HostFacts& facts) {
  std::string out;
  describe_host(facts, out);
  describe_gpus(facts, out);
  describe_driver(facts, out);
  describe_disks(facts, out);
  describe_services(facts, out);
  const std::vector<Obstacle> obstacles = find_obstacles(facts);
  describe_obstacles(obstacles, true,
                     "No GPU node can be made of this host:", out);
  describe_obstacles(obstacles, false, "Worth knowing:", out);
  if (!facts.gaps.empty()) out += "\nNot known:\n";
  for (const std::string& gap : facts.gaps) {
    out += "  " + printable(gap) + "\n";
  }
  return out;
}

std::string describe_gpus_briefly(const HostFacts& facts) {
  std::map<std::string, std::size_t> counts;
  for (const PciGpu& gpu : facts.gpus) {
    if (gpu.is_switch) continue;
    ++counts[gpu.device_id == 0
                 ? gpu.product
                 : fmt::format("{} (10de:{:04x})", gpu.product, gpu.device_id)];
  }
  std::string text;
  for (const auto& [product, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, product);
  }
  return text;
}

}  // namespace gpunode::facts
