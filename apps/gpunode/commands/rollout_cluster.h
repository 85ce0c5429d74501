// What `gpunode rollout` asks of a cluster before its walk begins.
#pragma once

#include <string>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/lease.h"
#include "node/rollout/bring_manifest.h"
#include "node/rollout/rollout_plan.h"

namespace gpunode::cli {

/// The kubeconfig that a person means without saying so: of KUBECONFIG the
/// first, else ~/.kube/config. kNotFound: there is neither.
Result<std::string> kubeconfig_of(const Session& session);

/// Looks at the Nodes of the selector, at the Pods on them, and whether a
/// roll-out was left behind elsewhere. kNotFound: no Node is selected.
Result<rollout::RolloutPlan> look_at_cluster(
    kube::Client& client, const std::string& selector,
    const std::string& digest, const rollout::DrainOptions& drain);

/// This run of the program, for a lease that others read; and whether a holder
/// was one on this machine that is dead.
kube::LeaseHolder::Self lease_self(const Session& session);

/// Makes the namespace, takes the lease, and then makes or changes the rest:
/// another roll-out's DaemonSet is left alone. `await` while somebody has the
/// lease who is perhaps dead.
Result<void> begin_rollout(kube::Client& client, kube::LeaseHolder& lease,
                           const rollout::BringManifest& manifest,
                           const kube::LeaseHolder::Await& await);

}  // namespace gpunode::cli
