// What a planner wants to know of a host beyond what is always looked at.
#pragma once

#include <set>
#include <string>

namespace gpunode::facts {

/// Names of things to look at. Sets, so that wants of several Steps add up and
/// each tool is asked once about all of them.
struct Wanted {
  std::set<std::string> files;  ///< Absolute paths; whole content, ≤ 1 MiB.
  std::set<std::string> trees;  ///< Directories: kind, use, how many entries.
  std::set<std::string> units;  ///< systemd units: "containerd.service".
  std::set<std::string>
      packages;                   ///< Names as the host's own manager has them.
  std::set<std::string> sysctls;  ///< "net.ipv4.ip_forward".
  std::set<std::string> modules;  ///< Kernel modules, with underscores.
  /// What is on each whole disk that nothing stands on: opens it exclusively
  /// and reads samples of its data.
  bool disk_contents = false;

  void add(const Wanted& other);
};

}  // namespace gpunode::facts
