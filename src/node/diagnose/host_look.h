// What of a node's GPUs is known without an agent: from the host's own files.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/diagnose/agent_status.h"
#include "node/diagnose/finding.h"
#include "node/diagnose/listener.h"

namespace gpunode::diagnose {

struct HostLook {
  /// As the agent would tell it, as far as files do: driver, GPUs with MIG
  /// devices (their UUIDs and memory are the driver's to tell), and from the
  /// kubelet's record resources and holders.
  AgentStatus known;
  std::string gpu_problem;  ///< Why there are no GPUs in it; empty: there are.
  /// "nvidia.com/device-plugin.config=a": by it an agent has chosen its
  /// configuration last. Empty: none has since the machine came up.
  std::string last_choice;
  bool kubelet_listens = false;
  bool has_plugin_directory = false;  ///< A kubelet has been here.
  bool has_service = false;  ///< The agent is installed as a systemd service.
  /// Plugins that are there for the kubelet, as the name of their socket says.
  std::vector<Listener> plugins;
};

/// Reads and connects; asks no driver and wakes no GPU. `plugin_directory` is
/// the kubelet's, as the host names it. What cannot be read is left out, with
/// the reason in `known.holder_problem` or `gpu_problem`.
HostLook look_at_host(const host::HostRoot& host,
                      const std::string& plugin_directory);

/// Gives those that have only a UID the name that the kubelet's directory of
/// logs has for it: /var/log/pods/NAMESPACE_NAME_UID.
void name_pods(std::vector<AgentStatus::Holder>& holders,
               const host::HostRoot& host);

/// That no agent answered for the reason `why` (of ask_agent()), and what to
/// do. Pure.
Findings check_absence(const Error& why, const HostLook& look);

}  // namespace gpunode::diagnose
