#include "node/facts/observe.h"

#include <utility>

#include "gpu/device/product_name.h"
#include "gpu/procfs/pci.h"
#include "gpu/procfs/pci_condition.h"
#include "gpu/procfs/vgpu.h"
#include "node/facts/driver_look.h"
#include "node/facts/host_text.h"
#include "node/facts/kernel_settings.h"
#include "node/facts/kernels_look.h"
#include "node/facts/machine.h"
#include "node/facts/packages.h"
#include "node/facts/units.h"
#include "node/facts/wanted_files.h"

namespace gpunode::facts {
namespace {

constexpr std::size_t kTableLimitBytes = std::size_t{1} << 20U;

/// os-release(5): the second file is for systems whose /etc is empty.
Result<OsRelease> read_os(const host::HostRoot& host) {
  const std::string path = "/etc/os-release";
  auto text = host.read_file(path, kTableLimitBytes);
  if (!text && text.error().code() == ErrorCode::kNotFound) {
    text = host.read_file("/usr/lib/os-release", kTableLimitBytes);
  }
  if (!text) {
    return std::move(text).error().with_context("learn the distribution");
  }
  auto os = parse_os_release(*text);
  if (!os) return std::move(os).error().with_context(host.outside(path));
  return os;
}

/// The PCI config space; empty if it cannot be read at all.
std::string read_config(const host::HostRoot& host,
                        const std::string& address) {
  auto config = host.read_file("/sys/bus/pci/devices/" + address + "/config");
  return config ? *std::move(config) : std::string();
}

/// Only root sees the capability that tells a vGPU.
bool is_vgpu(const std::string& address, const std::string& config,
             std::vector<std::string>& gaps) {
  if (config.empty()) return false;
  const auto vgpus = procfs::parse_vgpu(address, config);
  if (vgpus) return !vgpus->empty();
  if (vgpus.error().code() == ErrorCode::kPermissionDenied) {
    gaps.push_back("whether the GPU at " + address +
                   " is a vGPU is not known: " + vgpus.error().message());
    return false;
  }
  // Signed as one, and what follows cannot be read.
  return true;
}

void read_gpus(const host::HostRoot& host, HostFacts& facts) {
  for (procfs::PciGpu& found : procfs::list_pci_gpus_and_switches(host)) {
    const std::string config = read_config(host, found.bus_id);
    PciGpu gpu;
    gpu.condition = procfs::read_pci_condition(host, found, config);
    gpu.address = std::move(found.bus_id);
    gpu.device_id = found.device;
    gpu.is_switch = found.is_switch();
    if (gpu.is_switch) {
      gpu.product = "NVIDIA NVSwitch";
    } else if (gpu.device_id == 0) {
      gpu.product = "NVIDIA GPU of a device id that cannot be read";
      facts.gaps.push_back("which GPU is at " + gpu.address +
                           " is not known: /sys/bus/pci/devices/" +
                           gpu.address + "/device cannot be read");
    } else {
      gpu.product = device::product_name_of(gpu.device_id);
    }
    gpu.driver = std::move(found.driver);
    gpu.is_vgpu = !gpu.is_switch && !gpu.condition.is_lost &&
                  is_vgpu(gpu.address, config, facts.gaps);
    facts.gpus.push_back(std::move(gpu));
  }
}

/// Without the kernel's tables nothing is known of disks: a gap, or an Error
/// where somebody wants some.
Result<void> look_at_storage(const host::HostRoot& host, const Wanted& wanted,
                             DiskLook disks, HostFacts& facts) {
  auto view = host::read_storage(host);
  if (!view) {
    if (!wanted.disks.empty()) return std::move(view).error();
    facts.gaps.push_back("disks and mounts are not known: " +
                         inside(host, view.error().message()));
    return {};
  }
  for (const host::Swap& swap : view->swaps) {
    facts.swaps.push_back({swap.path, swap.kind, swap.size_bytes});
  }
  facts.storage = observe_disks(host, *std::move(view), wanted.disks, disks);
  return {};
}

void read_fstab(const host::HostRoot& host, HostFacts& facts) {
  const std::string path = "/etc/fstab";
  const auto text = host.read_file(path, kTableLimitBytes);
  if (text) {
    facts.fstab = parse_fstab(*text);
  } else if (text.error().code() != ErrorCode::kNotFound) {
    facts.gaps.push_back("read " + path + ": " +
                         cause_of(host, path, text.error()));
  }
}

}  // namespace

Result<HostFacts> observe(const host::HostRoot& host,
                          host::CommandRunner& runner, const Wanted& wanted,
                          DiskLook disks) {
  HostFacts facts;
  TRY(facts.os, read_os(host));
  TRY(facts.kernel, read_kernel(host, facts.gaps));
  TRY_VOID(look_at_storage(host, wanted, disks, facts));
  facts.machine = read_machine(host, facts.os, facts.kernel,
                               facts.storage.mounts, facts.gaps);
  read_gpus(host, facts);
  if (wanted.driver) look_at_driver(host, facts);
  read_fstab(host, facts);
  read_wanted_files(host, wanted, facts);
  read_wanted_trees(host, wanted, facts);
  read_policy_labels(host, runner, facts);
  read_wanted_sysctls(host, wanted, facts);
  read_wanted_modules(host, wanted, facts);
  read_wanted_units(host, runner, wanted, facts);
  read_wanted_packages(host, runner, wanted, facts);
  look_at_kernels(host, runner, wanted, facts);
  return facts;
}

}  // namespace gpunode::facts
