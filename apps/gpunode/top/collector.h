// Asks everybody who knows something of the node's GPUs.
#pragma once

#include <chrono>
#include <string>

#include "apps/gpunode/top/assembly.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"

namespace gpunode::top {

struct Sources {
  std::string root = "/";
  /// The kubelet's, as the host names it.
  std::string plugin_directory = "/var/lib/kubelet/device-plugins";
  std::string driver_root;  ///< Empty: `root`.
  std::string probe;        ///< gpunode-probe.
  /// Of the driver's library, which may hang.
  std::chrono::seconds patience{20};
};

/// One thread at a time.
class Collector {
 public:
  /// `runner` must outlive it.
  Collector(Sources sources, host::CommandRunner& runner);

  /// Never fails: who does not answer is in the picture as a problem.
  Snapshot look();

 private:
  void ask_driver(Gathered& all);
  void ask_agent(Gathered& all) const;
  void read_grants(Gathered& all) const;
  void read_processes(Gathered& all) const;

  Sources sources_;
  host::HostRoot host_;
  host::HostRoot driver_root_;
  host::CommandRunner& runner_;
};

}  // namespace gpunode::top
