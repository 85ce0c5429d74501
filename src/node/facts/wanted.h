// What a planner wants to know of a host beyond what is always looked at.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "node/facts/disk_filter.h"

namespace gpunode::facts {

/// Names of things to look at. Sets, so that wants of several Steps add up and
/// each tool is asked once about all of them.
struct Wanted {
  /// Absolute paths; whole content, at most 1 MiB. A last part "*.repo" stands
  /// for every file of the directory with that ending, hidden ones left out.
  std::set<std::string> files = {};
  /// Directories: kind, use, how many entries.
  std::set<std::string> trees = {};
  /// systemd units: "containerd.service".
  std::set<std::string> units = {};
  /// Names as the host's own manager has them; "*" at the end stands for any
  /// rest: "nvidia-*".
  std::set<std::string> packages = {};
  /// "net.ipv4.ip_forward".
  std::set<std::string> sysctls = {};
  /// Kernel modules, with underscores.
  std::set<std::string> modules = {};
  /// Disks whose content matters: each that fits is looked into (disks.h).
  std::vector<DiskFilter> disks = {};
  /// HostFacts::kernels, driver and secure_boot.
  bool driver = false;

  void add(const Wanted& other);

  /// Whether the package `name` is asked for, by name or by its beginning.
  bool has_package(std::string_view name) const;
};

/// What matters on any node of Kubernetes with GPUs, whatever is planned: for
/// showing a host, and for taking one along in a bundle.
Wanted usual_wants();

}  // namespace gpunode::facts
