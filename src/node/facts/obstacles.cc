#include "node/facts/obstacles.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "gpu/device/module_rule.h"

namespace gpunode::facts {
namespace {

constexpr std::uint64_t kGib = std::uint64_t{1} << 30U;

/// Who brings the driver to systems that packages can't be added to.
std::string_view remedy_for_image(std::string_view kind) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9>
      kRemedies = {
          {{"bottlerocket",
            "use a variant of Bottlerocket whose name ends in -nvidia"},
           {"cos",
            "let GKE install the driver (gpu-driver-version of the node pool), "
            "or cos-extensions install gpu"},
           {"flatcar", "use Flatcar's NVIDIA system extension"},
           {"nixos",
            "set hardware.nvidia and hardware.nvidia-container-toolkit in the "
            "system's configuration"},
           {"talos", "use Talos's NVIDIA system extensions"},
           {"opensuse-microos",
            "install the driver with transactional-update, and reboot"},
           {"sle-micro",
            "install the driver with transactional-update, and reboot"},
           {"sl-micro",
            "install the driver with transactional-update, and reboot"},
           {"transactional-update",
            "install the driver with transactional-update, and reboot"}}};
  for (const auto& [candidate, remedy] : kRemedies) {
    if (candidate == kind) return remedy;
  }
  return "use an image that has the driver, or the GPU Operator's driver "
         "container";
}

void check_machine(const HostFacts& facts, std::vector<Obstacle>& found) {
  const MachineFacts& machine = facts.machine;
  if (machine.container) {
    found.push_back(
        {"container",
         fmt::format("this is the inside of a container ({}), whose kernel and "
                     "devices are the host's",
                     machine.container_kind),
         "run gpunode on the host, or show it the host's root with --root",
         true});
  }
  if (machine.wsl) {
    found.push_back({"wsl",
                     "this is Windows Subsystem for Linux, whose driver is "
                     "that of Windows",
                     "install NVIDIA's driver on Windows; Kubernetes is for a "
                     "machine that runs Linux itself",
                     true});
  }
  if (machine.image_based) {
    found.push_back(
        {"image-based",
         fmt::format(
             "{} is replaced as a whole ({}): packages can't be added "
             "to it",
             facts.os.pretty_name.empty() ? facts.os.id : facts.os.pretty_name,
             machine.image_kind),
         std::string(remedy_for_image(machine.image_kind)), true});
  }
  if (machine.tegra) {
    found.push_back({"tegra",
                     "this is a Jetson, whose driver comes with its kernel",
                     "use JetPack's own packages", true});
  }
  // Everywhere above, another reason has been given already.
  if (!machine.systemd && found.empty()) {
    found.push_back({"no-systemd",
                     "systemd is not the first process: services and mounts "
                     "can't be set up",
                     "use a system that systemd has started; of a host that "
                     "does not run, facts are still told",
                     true});
  }
  if (machine.memory_bytes != 0 && machine.memory_bytes < 2 * kGib) {
    found.push_back({"memory",
                     "there is less than 2 GiB of memory: building kernel "
                     "modules may fail",
                     "use a larger machine, or a prebuilt driver", false});
  }
}

void check_system(const HostFacts& facts, std::vector<Obstacle>& found) {
  const std::string& machine = facts.kernel.machine;
  if (!machine.empty() && !has_maintained_driver(machine)) {
    found.push_back({"architecture",
                     "there is no maintained driver for " + machine,
                     "use x86_64 or aarch64", true});
  }
  if (!facts.os.package_manager() && !facts.machine.image_based) {
    found.push_back(
        {"distribution",
         fmt::format("{} is of no family that NVIDIA has packages for",
                     facts.os.id),
         "use a distribution of Debian, Ubuntu, RHEL, Fedora, SUSE or Amazon "
         "Linux",
         true});
  }
  if (facts.os.id == "amzn" && facts.os.major_version() == 2) {
    found.push_back({"distribution",
                     "Amazon Linux 2 is maintained no more since 2026-06-30",
                     "use Amazon Linux 2023", true});
  }
}

/// Up to four of them, and how many more there are.
std::string addresses_of(const std::vector<const PciGpu*>& gpus) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < gpus.size() && i < kShown; ++i) {
    if (i > 0) text += ", ";
    text += gpus[i]->address;
  }
  if (gpus.size() > kShown) {
    text += fmt::format(" and {} more", gpus.size() - kShown);
  }
  return text;
}

template <class Matches>
std::string addresses_where(const HostFacts& facts, Matches matches) {
  std::vector<const PciGpu*> gpus;
  for (const PciGpu& gpu : facts.gpus) {
    if (!gpu.is_switch && matches(gpu)) gpus.push_back(&gpu);
  }
  return addresses_of(gpus);
}

/// The host's own driver will not have them, and others may still be GPUs of
/// its containers: vfio keeps them, or they are parts of another (SR-IOV).
bool is_for_machines(const PciGpu& gpu) {
  return gpu.driver.find("vfio") != std::string::npos ||
         !gpu.condition.physical_function.empty();
}

/// What firmware, slot or hypervisor did to them. No reason to stop: the others
/// of the host may do.
void check_gpu_conditions(const HostFacts& facts,
                          std::vector<Obstacle>& found) {
  const std::string lost = addresses_where(
      facts, [](const PciGpu& gpu) { return gpu.condition.is_lost; });
  if (!lost.empty()) {
    found.push_back(
        {"lost-gpu",
         "fallen off the bus, nothing answers there: GPU at " + lost,
         "switch the machine off and on again; if it comes back, "
         "look at its power, slot and cooling",
         false});
  }
  const std::string lacking = addresses_where(facts, [](const PciGpu& gpu) {
    return gpu.condition.memory == procfs::PciMemory::kLacking;
  });
  if (!lacking.empty()) {
    found.push_back(
        {"pci-memory",
         "without addresses for all of its memory regions (BARs), so that no "
         "driver can use it: GPU at " +
             lacking,
         "switch \"Above 4G Decoding\" (large BARs, 64-bit MMIO) on in the "
         "firmware; of a virtual machine, give it a larger 64-bit PCI window; "
         "the kernel's pci=realloc may help",
         false});
  }
}

void check_gpus(const HostFacts& facts, std::vector<Obstacle>& found) {
  const auto is_gpu = [](const PciGpu& gpu) { return !gpu.is_switch; };
  if (std::ranges::none_of(facts.gpus, is_gpu)) {
    found.push_back({"no-gpu", "there is no NVIDIA GPU on the PCI bus",
                     "look whether the machine has one, and whether the "
                     "hypervisor passes it on",
                     true});
  }
  const std::string passed = addresses_where(facts, [](const PciGpu& gpu) {
    return gpu.driver.find("vfio") != std::string::npos;
  });
  if (!passed.empty()) {
    const bool has_other =
        std::ranges::any_of(facts.gpus, [](const PciGpu& gpu) {
          return !gpu.is_switch && !is_for_machines(gpu);
        });
    found.push_back({"vfio",
                     "held by vfio for virtual machines: GPU at " + passed,
                     "take its id out of vfio-pci.ids and modprobe.d, and "
                     "reboot",
                     !has_other});
  }
  const std::string virtual_ones =
      addresses_where(facts, [](const PciGpu& gpu) { return gpu.is_vgpu; });
  if (!virtual_ones.empty()) {
    found.push_back({"vgpu",
                     "a vGPU of the hypervisor, which needs NVIDIA's licensed "
                     "guest driver: GPU at " +
                         virtual_ones,
                     "install the guest driver of the hypervisor's release",
                     true});
  }
  const auto has = [&](device::ModuleRule rule) {
    return std::ranges::any_of(facts.gpus, [&](const PciGpu& gpu) {
      return !gpu.is_switch && !is_for_machines(gpu) && gpu.device_id != 0 &&
             device::module_rule_of(gpu.device_id) == rule;
    });
  };
  if (has(device::ModuleRule::kProprietaryOnly) &&
      has(device::ModuleRule::kOpenOnly)) {
    found.push_back({"mixed-gpus",
                     "no driver serves GPUs before Turing and those from "
                     "Blackwell on at once",
                     "take one kind out", true});
  }
  const std::string nouveau = addresses_where(
      facts, [](const PciGpu& gpu) { return gpu.driver == "nouveau"; });
  if (!nouveau.empty()) {
    found.push_back(
        {"nouveau",
         "held by the kernel's own driver nouveau: GPU at " + nouveau,
         "gpunode keeps nouveau out; where it draws the console, "
         "that takes a reboot",
         false});
  }
}

void check_swap(const HostFacts& facts, std::vector<Obstacle>& found) {
  if (facts.swaps.empty()) return;
  found.push_back({"swap",
                   fmt::format("the kernel swaps to {}{}: the kubelet does not "
                               "start then unless told to",
                               facts.swaps.front().path,
                               facts.swaps.size() == 1 ? "" : " and others"),
                   "gpunode switches it off, here and in /etc/fstab", false});
}

}  // namespace

bool has_maintained_driver(std::string_view machine) {
  return machine == "x86_64" || machine == "aarch64";
}

std::vector<Obstacle> find_obstacles(const HostFacts& facts) {
  std::vector<Obstacle> found;
  check_machine(facts, found);
  check_system(facts, found);
  check_gpus(facts, found);
  check_gpu_conditions(facts, found);
  check_swap(facts, found);
  // Not that of std::ranges, of which clang 14 cannot make anything.
  std::stable_partition(
      found.begin(), found.end(),
      [](const Obstacle& obstacle) { return obstacle.blocks; });
  return found;
}

}  // namespace gpunode::facts
