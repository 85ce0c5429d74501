#include "node/facts/wanted.h"

#include <algorithm>

namespace gpunode::facts {

void Wanted::add(const Wanted& other) {
  files.insert(other.files.begin(), other.files.end());
  trees.insert(other.trees.begin(), other.trees.end());
  units.insert(other.units.begin(), other.units.end());
  packages.insert(other.packages.begin(), other.packages.end());
  sysctls.insert(other.sysctls.begin(), other.sysctls.end());
  modules.insert(other.modules.begin(), other.modules.end());
  for (const DiskFilter& filter : other.disks) {
    // Several Steps want the disks of one entry.
    if (std::ranges::find(disks, filter) == disks.end()) {
      disks.push_back(filter);
    }
  }
  driver = driver || other.driver;
}

bool Wanted::has_package(std::string_view name) const {
  if (packages.contains(std::string(name))) return true;
  return std::ranges::any_of(packages, [name](std::string_view wanted) {
    return wanted.ends_with('*') &&
           name.starts_with(wanted.substr(0, wanted.size() - 1));
  });
}

Wanted usual_wants() {
  Wanted wanted;
  wanted.files = {"/etc/containerd/config.toml",
                  "/etc/crio/crio.conf",
                  "/etc/docker/daemon.json",
                  "/etc/nvidia-container-runtime/config.toml",
                  "/proc/driver/nvidia/version",
                  "/sys/module/nvidia/version"};
  wanted.trees = {"/etc/cni/net.d", "/etc/kubernetes", "/run/nvidia/driver",
                  "/var/lib/containerd", "/var/lib/kubelet"};
  wanted.units = {"containerd.service",
                  "crio.service",
                  "docker.service",
                  "docker.socket",
                  "firewalld.service",
                  "kubelet.service",
                  "nvidia-fabricmanager.service",
                  "nvidia-persistenced.service",
                  "swap.target"};
  wanted.packages = {"containerd", "containerd.io", "dkms",
                     "kubeadm",    "kubelet",       "nvidia-container-toolkit",
                     "xfsprogs"};
  wanted.sysctls = {
      "fs.inotify.max_user_instances", "fs.inotify.max_user_watches",
      "net.bridge.bridge-nf-call-ip6tables",
      "net.bridge.bridge-nf-call-iptables", "net.ipv4.ip_forward"};
  wanted.modules = {"br_netfilter", "nouveau", "nvidia",
                    "nvidia_uvm",   "overlay", "xfs"};
  wanted.driver = true;
  return wanted;
}

}  // namespace gpunode::facts
