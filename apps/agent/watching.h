// `gpunode` of the agent's image: what one watches a node's shares with by
// `kubectl exec`, in the agent's own Pod.
#pragma once

#include <string>

#include "base/host/host_root.h"

namespace gpunode {

/// This program, called by that name. What main returns.
int run_watching(int argc, char** argv);

/// Why the accounts of containers are not seen in a container whose files and
/// mounts `own` has. Empty: they are.
std::string why_no_accounts(const host::HostRoot& own);
/// Why processes on GPUs have no names there. Empty: they have.
std::string why_no_processes(const host::HostRoot& own);

}  // namespace gpunode
