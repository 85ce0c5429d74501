#include "node/facts/facts_text.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/host/block_device.h"
#include "base/host/root_directory.h"
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
       machine.selinux_enforcing ? "SELinux enforcing" : ""});
  add_line(out, "Kernel",
           {printable(facts.kernel.release), printable(facts.kernel.machine),
            machine.efi ? "UEFI" : "no UEFI"});
  add_line(out, "Memory",
           {machine.memory_bytes == 0 ? "" : size_text(machine.memory_bytes),
            swap_text(facts)});
  if (machine.processors > 0) {
    add_line(out, "CPUs", {std::to_string(machine.processors)});
  }
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
        "  {}  {:<{}}  10de:{:04x}  {}{}\n", printable(gpu.address),
        gpu.product, width, gpu.device_id,
        gpu.driver.empty() ? "no driver" : "driver " + printable(gpu.driver),
        gpu.is_vgpu ? ", vGPU" : "");
  }
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

}  // namespace gpunode::facts
