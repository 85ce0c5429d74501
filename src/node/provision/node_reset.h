// A host ceases to be a node, by kubeadm.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"

namespace gpunode::provision {

/// What the Error says after a reset that left something running: the rest is
/// gone, what the Node was given with it. A journal keeps it (rollback.cc).
inline constexpr const char* kNoNodeAnyMore = "the host is no node any more";

/// Ends the kubelet and its Pods and takes away what a join made, a half one,
/// too. After an Error that says so kubeadm's files are still there, and it can
/// be called again.
Result<void> reset_node(const host::HostRoot& host,
                        host::CommandRunner& runner);

}  // namespace gpunode::provision
