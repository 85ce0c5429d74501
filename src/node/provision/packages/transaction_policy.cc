#include "node/provision/packages/transaction_policy.h"

#include <algorithm>
#include <array>

namespace gpunode::packages {
namespace {

/// Names of Debian, Ubuntu, the RHEL family, Amazon Linux and SLES; "*" at the
/// end as in TransactionPolicy.
constexpr auto kProtected = std::to_array<std::string_view>({
    // Kernels and what boots with them. linux-headers and kernel-devel are
    // not: they can be had again while the machine runs.
    "linux-image-*",
    "linux-modules-*",
    "linux-generic*",
    "linux-aws*",
    "linux-azure*",
    "linux-gcp*",
    "linux-base",
    "kernel",
    "kernel-core",
    "kernel-modules*",
    "kernel-default*",
    "kernel-uek",
    "kernel-uek-core",
    "kernel-uek-modules*",
    "kernel-64k*",
    "kernel-azure*",
    "kernel6.*",
    "dracut*",
    "initramfs-tools*",
    "mkinitrd",
    "linux-firmware",
    "kernel-firmware*",
    // Boot loaders.
    "grub*",
    "shim*",
    "systemd-boot*",
    "u-boot*",
    "efibootmgr",
    "grubby",
    "sdbootutil*",
    "perl-Bootloader",
    // The base without which nothing can be put back.
    "systemd*",
    "udev",
    "dbus",
    "init",
    "libc6*",
    "glibc*",
    "bash",
    "dash",
    "coreutils",
    "util-linux",
    "dpkg",
    "apt",
    "rpm",
    "rpm-libs",
    "dnf",
    "libdnf",
    "yum",
    "zypper",
    "libzypp",
    "openssh-server",
    "sudo",
    "NetworkManager",
    "ifupdown",
    "netplan.io",
    "wicked",
    "cloud-init",
    "gpunode*",
});

/// What a host needs that has disks of that kind, and Pods; where none of it
/// was, to install it is to be undone.
constexpr auto kNeeded = std::to_array<std::string_view>({
    "lvm2",
    "mdadm",
    "cryptsetup",
    "kubelet",
    "kubeadm",
    "cri-o*",
    "containerd*",
    "docker-ce",
    "docker.io",
    "moby-engine",
    "runc",
    "crun",
    "kubernetes-cni",
});

/// Of what the patterns above take in, what is none of it.
constexpr auto kNotProtected = std::to_array<std::string_view>({
    "linux-modules-nvidia-*",
    "kernel-default-devel*",
    "kernel-azure-devel*",
    "kernel-64k-devel*",
    "kernel6.12-devel*",
    "kernel6.18-devel*",
    "systemd-coredump",
    "systemd-timesyncd",
    "libc6-dev*",
    "glibc-devel",
    "glibc-headers",
});

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

template <class Patterns>
bool is_in(const Patterns& patterns, std::string_view name) {
  return std::any_of(
      patterns.begin(), patterns.end(),
      [name](std::string_view pattern) { return matches(pattern, name); });
}

/// "libc6:i386" is libc6.
std::string_view bare(std::string_view name) {
  return name.substr(0, name.find(':'));
}

bool asks_for(const std::vector<Wanted>& wanted, const PackageChange& change,
              const std::string& version) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const Wanted& one) {
    return one.name == change.name &&
           (one.version.empty() || one.version == version);
  });
}

void add(std::string& list, const PackageChange& change) {
  if (!list.empty()) list += ", ";
  list += change.name + " " + change.old_version;
}

}  // namespace

bool is_protected(std::string_view name) {
  return (is_in(kProtected, bare(name)) && !is_in(kNotProtected, bare(name))) ||
         is_needed(name);
}

bool is_needed(std::string_view name) {
  return is_in(kNeeded, bare(name));
}

Result<void> check_transaction(const TransactionPlan& plan,
                               const TransactionPolicy& policy) {
  std::string vital;
  std::string unasked;
  std::string older;
  for (const PackageChange& change : plan.changes) {
    if (change.kind == ChangeKind::kRemove) {
      const bool was_asked =
          asks_for(plan.request.remove, change, change.old_version);
      if (is_protected(change.name) && !(was_asked && is_needed(change.name))) {
        add(vital, change);
      } else if (!was_asked && !is_in(policy.may_remove, bare(change.name))) {
        add(unasked, change);
      }
    }
    // Exactly that version, or it was not asked for.
    const bool was_asked =
        std::find(plan.request.install.begin(), plan.request.install.end(),
                  Wanted{change.name, change.new_version}) !=
        plan.request.install.end();
    if (change.kind == ChangeKind::kDowngrade && !was_asked &&
        !is_in(policy.may_downgrade, bare(change.name))) {
      add(older, change);
    }
  }
  std::string why;
  const auto because = [&why](const char* what, const std::string& list) {
    if (list.empty()) return;
    if (!why.empty()) why += "; ";
    why += what + list;
  };
  because("it would remove what this machine needs: ", vital);
  because("it would remove what nobody asked to: ", unasked);
  because("it would put older versions in place of: ", older);
  if (why.empty()) return {};
  return Error(ErrorCode::kUnsupported,
               "change packages: refused: " + why +
                   "; next: find what conflicts with them and choose other "
                   "versions, or make that change by hand first");
}

}  // namespace gpunode::packages
