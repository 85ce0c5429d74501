// Asks everybody who knows something of the node's GPUs.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "apps/gpunode/top/assembly.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/diagnose/agent_status.h"

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

/// What one of them has said, or why not.
struct DriverPart {
  Readings readings;
  std::map<std::uint32_t, ProcessFacts> processes;
  std::string problem;
};
struct AgentPart {
  diagnose::AgentStatus status;  ///< Without an agent what files tell.
  TimePoint counted{};           ///< When it counted what it says.
  std::string problem;
};
struct AccountsPart {
  std::vector<GrantReading> grants;
  std::string problem;
};

/// Never fails: who does not answer is in the picture as a problem. Any number
/// of threads at once, if `runner` is for them.
class Collector {
 public:
  /// `runner` must outlive it.
  Collector(Sources sources, host::CommandRunner& runner);

  /// May take as long as the sources' patience.
  DriverPart ask_driver() const;
  /// Some seconds at the most.
  AgentPart ask_agent() const;
  AccountsPart read_accounts() const;

  /// With the host's name and the time of now; nobody is asked.
  Gathered begin() const;
  /// Asks all of them at the same time, and waits for the last.
  Snapshot look() const;

 private:
  std::map<std::uint32_t, ProcessFacts> processes_of(
      const Readings& readings) const;

  Sources sources_;
  host::HostRoot host_;
  host::HostRoot driver_root_;
  host::CommandRunner& runner_;
};

/// Each changes other members of `all` than the others.
void put(DriverPart part, Gathered& all);
void put(AgentPart part, Gathered& all);
void put(AccountsPart part, Gathered& all);

}  // namespace gpunode::top
