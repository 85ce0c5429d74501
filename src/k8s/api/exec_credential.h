// Credentials that a program of the user's makes: aws, gke-gcloud-auth-plugin.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "k8s/api/kubeconfig.h"
#include "k8s/api/time_text.h"

namespace gpunode::kube {

/// What such a program printed. Secrets.
struct ExecCredential {
  std::string token;
  std::string certificate_pem;
  std::string key_pem;
  std::optional<WallTime> expires;  ///< Nothing: when it is refused.
};

/// Reads an ExecCredential of `api_version`. `command` is for messages, which
/// never quote it.
Result<ExecCredential> parse_exec_credential(std::string_view json,
                                             const std::string& api_version,
                                             const std::string& command);

/// Runs the plugin of `config`, which must have one. `environment` is what it
/// inherits (NAME=value); its PATH finds the command. `authority_pem` is for
/// plugins that ask about the cluster.
Result<ExecCredential> run_exec_plugin(
    const Kubeconfig& config, const std::string& authority_pem,
    const std::vector<std::string>& environment, const host::HostRoot& root,
    host::CommandRunner& runner);

}  // namespace gpunode::kube
