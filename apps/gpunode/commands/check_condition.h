// The Node's condition, written as the kubelet of this machine.
#pragma once

#include <string>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/host/host_root.h"
#include "k8s/api/time_text.h"
#include "node/diagnose/node_check.h"
#include "node/diagnose/node_check_report.h"

namespace gpunode::cli {

struct ConditionOptions {
  std::string kubeconfig;  ///< Empty: the kubelet's, if it is here.
  std::string node_name;   ///< Empty: whose the kubelet's certificate is.
  unsigned timeout_seconds = 15;  ///< Of one question to the API server.
  bool is_off = false;
};

/// Asks once, with an end to every wait: who cannot be reached now is asked
/// again when the timer next runs. Never an Error: what came of it is told.
diagnose::ConditionReport write_condition(
    const ConditionOptions& options, const host::HostRoot& host,
    Session& session, const std::vector<diagnose::CheckFinding>& findings,
    kube::WallTime now);

}  // namespace gpunode::cli
