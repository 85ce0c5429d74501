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
  /// How long another gpunode that is at work is waited for.
  unsigned run_wait_seconds = 0;
  /// Go on with the run that waits (pending.h), held to its plan, its options
  /// and its file; false: a new run.
  bool resumes = false;
};

/// Locks the host, plans, shows, asks, does. Sets session.outcome.
void apply_node(const ApplyOptions& options, Session& session);

/// A name for a new run: "20261128-141503-4242".
std::string new_run_name();

inline constexpr const char* kNoneWaits = "No run waits to go on.\n";

}  // namespace gpunode::cli
