// As whom the agent speaks to the API server.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "k8s/api/credentials.h"

namespace gpunode::plugin {

/// From the kubeconfig at `path`; with an empty path from the service account
/// of this Pod, as the variables in `environment` and the files that the
/// kubelet mounts have it. kNotFound, with what to do, where there is neither.
/// What they return blocks (credentials.h): it is for a thread beside the
/// agent's loop.
Result<std::unique_ptr<kube::Credentials>> cluster_credentials(
    const std::string& path,
    const std::map<std::string, std::string, std::less<>>& environment);

/// How the agent is called in the API server's logs.
inline constexpr const char* kUserAgent = "gpunode-agent";

/// This process's environment.
std::map<std::string, std::string, std::less<>> process_environment();

}  // namespace gpunode::plugin
