#include "node/facts/machine.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

/// uname -m. The kernel has told it in a file since 6.1; before, the loader of
/// the programs that are installed tells the same.
std::string machine_of(const host::HostRoot& host) {
  std::string machine = read_value(host, "/proc/sys/kernel/arch");
  if (!machine.empty()) return machine;
  constexpr std::array<std::pair<const char*, const char*>, 3> kLoaders = {
      {{"/lib64/ld-linux-x86-64.so.2", "x86_64"},
       {"/lib/ld-linux-aarch64.so.1", "aarch64"},
       {"/lib64/ld64.so.2", "ppc64le"}}};
  for (const auto& [loader, name] : kLoaders) {
    if (host.exists(loader)) return name;
  }
  return {};
}

/// Systems that are replaced as a whole. What they are like is no reason:
/// Flatcar's ID_LIKE is coreos, and somebody's package-based system may be too.
bool is_image_id(std::string_view id) {
  constexpr std::array<std::string_view, 18> kIds = {"bottlerocket",
                                                     "chromeos",
                                                     "coreos",
                                                     "cos",
                                                     "flatcar",
                                                     "kairos",
                                                     "nixos",
                                                     "opensuse-aeon",
                                                     "opensuse-leap-micro",
                                                     "opensuse-microos",
                                                     "rancheros",
                                                     "rhcos",
                                                     "scos",
                                                     "sl-micro",
                                                     "sle-micro",
                                                     "steamos",
                                                     "talos",
                                                     "ubuntu-core"};
  return std::ranges::find(kIds, id) != kIds.end();
}

/// What is mounted on "/", in this process's view and in the first one's.
struct RootMount {
  bool is_known = false;
  bool is_overlay = false;
  bool is_read_only = false;
};

RootMount root_mount_of(const std::vector<host::Mount>& mounts) {
  RootMount root;
  for (const host::Mount& mount : mounts) {
    if (mount.mount_point != "/") continue;
    root.is_known = true;
    root.is_overlay = root.is_overlay || mount.type == "overlay" ||
                      mount.type == "fuse-overlayfs";
    // The last one covers those before it.
    root.is_read_only = host::has_option(mount.options, "ro");
  }
  return root;
}

std::string image_kind_of(const host::HostRoot& host, const OsRelease& os,
                          const RootMount& root) {
  if (host.exists("/run/ostree-booted") || host.exists("/ostree/repo")) {
    return "ostree";
  }
  if (is_image_id(os.id)) return os.id;
  if (host.exists("/etc/NIXOS")) return "nixos";
  // SLES has the program in its transactional-server role and, as a package
  // that changes nothing by itself, in others.
  if ((host.exists("/usr/sbin/transactional-update") ||
       host.exists("/usr/bin/transactional-update")) &&
      root.is_read_only) {
    return "transactional-update";
  }
  return {};
}

/// What containers leave for those inside to see.
std::string container_mark(const host::HostRoot& host) {
  std::string told = read_value(host, "/run/systemd/container");
  if (!told.empty()) return told;
  if (host.exists("/run/.containerenv")) return "podman";
  if (host.exists("/.dockerenv")) return "docker";
  if (host.exists("/run/secrets/kubernetes.io/serviceaccount")) {
    return "kubernetes";
  }
  return {};
}

/// Process 2 of a kernel is kthreadd, seen by nobody inside a PID namespace.
/// A mark alone is none: images of virtual machines are made of images of
/// containers, marks included. They have disks, containers have overlays.
std::string container_kind_of(const host::HostRoot& host,
                              const RootMount& root) {
  const std::string second = read_value(host, "/proc/2/comm");
  std::string mark = container_mark(host);
  if (second == "kthreadd") {
    const bool has_own_disk = root.is_known && !root.is_overlay;
    return has_own_disk ? std::string() : mark;
  }
  if (mark.empty() && !second.empty()) return "container";
  return mark;
}

bool is_wsl(std::string_view kernel_release) {
  // "5.15.153.1-microsoft-standard-WSL2", "4.4.0-19041-Microsoft".
  return kernel_release.find("icrosoft") != std::string_view::npos ||
         kernel_release.find("WSL") != std::string_view::npos;
}

}  // namespace

Result<KernelFacts> read_kernel(const host::HostRoot& host,
                                std::vector<std::string>& gaps) {
  KernelFacts kernel;
  const std::string path = "/proc/sys/kernel/osrelease";
  auto release = host.read_file(path);
  if (!release) {
    return std::move(release).error().with_context("learn the kernel");
  }
  kernel.release = trimmed(*release);
  kernel.machine = machine_of(host);
  if (kernel.machine.empty()) {
    gaps.emplace_back("the processor architecture is not known");
  }
  kernel.boot_id = read_value(host, "/proc/sys/kernel/random/boot_id");
  kernel.command_line = read_value(host, "/proc/cmdline");
  return kernel;
}

MachineFacts read_machine(const host::HostRoot& host, const OsRelease& os,
                          const KernelFacts& kernel,
                          const std::vector<host::Mount>& mounts,
                          std::vector<std::string>& gaps) {
  const RootMount root = root_mount_of(mounts);
  MachineFacts machine;
  machine.vendor = read_value(host, "/sys/class/dmi/id/sys_vendor");
  machine.product = read_value(host, "/sys/class/dmi/id/product_name");
  machine.cloud =
      cloud_of(machine.vendor, machine.product,
               read_value(host, "/sys/class/dmi/id/chassis_asset_tag"));
  machine.memory_bytes = memory_of(read_value(host, "/proc/meminfo"));
  if (machine.memory_bytes == 0) {
    gaps.emplace_back("/proc/meminfo does not tell how much memory there is");
  }
  machine.processors =
      count_processors(read_value(host, "/sys/devices/system/cpu/online"));
  machine.efi = host.exists("/sys/firmware/efi");
  machine.wsl = is_wsl(kernel.release);
  machine.tegra = host.exists("/etc/nv_tegra_release");
  machine.container_kind = container_kind_of(host, root);
  machine.container = !machine.container_kind.empty();
  machine.image_kind = image_kind_of(host, os, root);
  machine.image_based = !machine.image_kind.empty();
  // sd_booted(3), and who is first: the directory may come from elsewhere.
  machine.systemd = host.exists("/run/systemd/system") &&
                    read_value(host, "/proc/1/comm") == "systemd";
  const std::string enforce = read_value(host, "/sys/fs/selinux/enforce");
  machine.selinux = !enforce.empty();
  machine.selinux_enforcing = enforce == "1";
  return machine;
}

std::string_view cloud_of(std::string_view vendor, std::string_view product,
                          std::string_view chassis_asset_tag) {
  if (vendor == "Amazon EC2" ||
      (vendor == "Xen" && product.find("amazon") != std::string_view::npos)) {
    return "aws";
  }
  // Hyper-V elsewhere has the same vendor; the tag is Azure's own.
  if (chassis_asset_tag == "7783-7084-3265-9085-8269-3286-77") return "azure";
  if (chassis_asset_tag == "OracleCloud.com") return "oci";
  if (vendor == "Google" && product == "Google Compute Engine") return "gcp";
  return {};
}

int count_processors(std::string_view list) {
  constexpr int kMost = 1 << 20;
  int count = 0;
  while (!list.empty()) {
    std::string_view last = take_until(list, ',');
    const auto first = number_of<int>(take_until(last, '-'));
    const auto end = last.empty() ? first : number_of<int>(last);
    if (!first || !end || *first < 0 || *end < *first || *end > kMost) return 0;
    count += *end - *first + 1;
    if (count > kMost) return 0;
  }
  return count;
}

std::uint64_t memory_of(std::string_view meminfo) {
  constexpr std::string_view kKey = "MemTotal:";
  while (!meminfo.empty()) {
    std::string_view line = take_line(meminfo);
    if (!line.starts_with(kKey)) continue;
    line = trimmed(line.substr(kKey.size()));
    const auto kib = number_of<std::uint64_t>(take_until(line, ' '));
    constexpr std::uint64_t kMost = UINT64_MAX / 1024;
    return kib && *kib <= kMost ? *kib * 1024 : 0;
  }
  return 0;
}

}  // namespace gpunode::facts
