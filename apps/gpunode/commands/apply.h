// Carrying out a plan: what `apply` and `resume` have in common.
#pragma once

#include <string>

#include "apps/gpunode/commands/node_run.h"

namespace gpunode::cli {

struct ApplyOptions : NodeOptions {
  std::string plan_file;  ///< Only if the plan of now is this one.
  bool yes = false;       ///< Nobody is asked.
  bool overwrite_drift = false;
  bool never_reboot = false;
  std::string run;  ///< The run to go on with; empty: a new one.
};

/// Locks the host, plans, shows, asks, does. Sets session.outcome.
void apply_node(const ApplyOptions& options, Session& session);

/// A name for a new run: "20261128-141503-4242".
std::string new_run_name();

/// Work of this kind needs root; kPermissionDenied with what to type.
Result<void> require_root(const NodeOptions& options, const char* command);

/// Ctrl-C and SIGTERM stop a run between two actions.
const std::atomic<bool>& stop_on_signals();

}  // namespace gpunode::cli
