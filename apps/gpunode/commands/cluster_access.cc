#include "apps/gpunode/commands/cluster_access.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/http/certificate.h"
#include "k8s/api/kubeconfig.h"
#include "node/diagnose/node_check_report.h"

namespace gpunode::cli {
namespace {

constexpr std::array<const char*, 4> kKubeletConfigs = {
    "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/kubeconfig",
    "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "/var/lib/rancher/rke2/agent/kubelet.kubeconfig"};

/// As the kubelet does without --hostname-override.
std::string name_of_host(const host::HostRoot& host) {
  auto text = host.read_file("/proc/sys/kernel/hostname");
  if (!text) return {};
  std::string name = text->substr(0, text->find_first_of(" \t\n"));
  std::ranges::transform(name, name.begin(), to_lower);
  return name;
}

/// The Node that the API server takes the bearer of `access` for.
std::string node_of(const kube::Access& access, const host::HostRoot& host) {
  const auto all = http::read_certificates(access.tls.certificate_pem);
  std::string node =
      all ? diagnose::node_of_kubelet(all->front().common_name) : "";
  return node.empty() ? name_of_host(host) : node;
}

kube::ClientOptions patience(const ClusterOptions& options) {
  kube::ClientOptions own;
  own.user_agent = options.user_agent;
  own.tries = 1;
  own.limits.connect = std::min(options.patience, std::chrono::seconds(5));
  own.limits.answer = options.patience;
  return own;
}

}  // namespace

std::string kubelet_config_of(const host::HostRoot& host) {
  for (const char* path : kKubeletConfigs) {
    if (host.exists(path)) return path;
  }
  return {};
}

ClusterAccess::ClusterAccess(kube::Kubeconfig config,
                             const ClusterOptions& options,
                             const host::HostRoot& host, Session& session)
    : credentials_(std::move(config), host, session.runner, options.environment,
                   [] { return std::chrono::system_clock::now(); }),
      client_(credentials_, nullptr, patience(options)),
      node_(options.node_name) {}

Result<std::unique_ptr<ClusterAccess>> ClusterAccess::open(
    const ClusterOptions& options, const host::HostRoot& host,
    Session& session) {
  const std::string path =
      options.kubeconfig.empty() ? kubelet_config_of(host) : options.kubeconfig;
  if (path.empty()) {
    return Error(
        ErrorCode::kNotFound,
        fmt::format("there is no {}, nor one where other distributions of "
                    "Kubernetes have it, so this machine is in no cluster",
                    kKubeletConfigs.front()));
  }
  TRY(const std::string text, host.read_file(path, kube::kMaxKubeconfigBytes));
  TRY(kube::Kubeconfig config, kube::parse_kubeconfig(text, path));
  if (config.exec && host.prefix() != "/") {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("{} names a program, and of another root none is run",
                    path));
  }
  std::unique_ptr<ClusterAccess> cluster(
      new ClusterAccess(std::move(config), options, host, session));
  if (cluster->node_.empty()) {
    TRY(const kube::Access access, cluster->credentials_.access(false));
    cluster->node_ = node_of(access, host);
  }
  return cluster;
}

}  // namespace gpunode::cli
