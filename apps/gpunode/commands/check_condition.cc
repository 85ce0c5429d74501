#include "apps/gpunode/commands/check_condition.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/http/certificate.h"
#include "k8s/api/client.h"
#include "k8s/api/kubeconfig.h"
#include "k8s/api/kubeconfig_credentials.h"
#include "k8s/api/node_condition.h"

namespace gpunode::cli {
namespace {

using diagnose::ConditionReport;
using End = ConditionReport::End;

/// Where kubelets have theirs: kubeadm's, those of EKS, GKE and AKS, k3s and
/// RKE2.
constexpr std::array<const char*, 4> kKubeletConfigs = {
    "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/kubeconfig",
    "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "/var/lib/rancher/rke2/agent/kubelet.kubeconfig"};

/// The first that is there; empty if none is.
std::string kubelet_config_of(const host::HostRoot& host) {
  for (const char* path : kKubeletConfigs) {
    if (host.exists(path)) return path;
  }
  return {};
}

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

kube::ClientOptions patience(std::chrono::seconds most) {
  kube::ClientOptions options;
  options.user_agent = "gpunode-check";
  options.tries = 1;
  options.limits.connect = std::min(most, std::chrono::seconds(5));
  options.limits.answer = most;
  return options;
}

std::string words_of(const Error& error, const std::string& node) {
  switch (error.code()) {
    case ErrorCode::kPermissionDenied:
      return fmt::format(
          "{}; next: the kubelet of {} may patch its own Node's status: is its "
          "certificate in date, and --node-name right?",
          error.message(), node);
    case ErrorCode::kNotFound:
      return fmt::format(
          "{}; next: `kubectl get nodes` has the names; --node-name tells "
          "another",
          error.message());
    default:
      return error.message() + "; it is tried again with the next check";
  }
}

ConditionReport failed(std::string node, std::string words) {
  return {End::kFailed, std::move(node), std::move(words)};
}

}  // namespace

ConditionReport write_condition(
    const ConditionOptions& options, const host::HostRoot& host,
    Session& session, const std::vector<diagnose::CheckFinding>& findings,
    kube::WallTime now) {
  if (options.is_off) return {End::kNotAsked, "", ""};
  const bool is_named = !options.kubeconfig.empty();
  const bool is_here = host.prefix() == "/";
  if (!is_named && !is_here) return {End::kNotAsked, "", ""};
  const std::string path =
      is_named ? options.kubeconfig : kubelet_config_of(host);
  if (path.empty()) {
    return {End::kNotJoined, "",
            fmt::format("there is no {}, nor one where other distributions of "
                        "Kubernetes have it, so this machine is in no cluster",
                        kKubeletConfigs.front())};
  }
  const auto text = host.read_file(path, kube::kMaxKubeconfigBytes);
  if (!text) return failed("", text.error().message());
  auto config = kube::parse_kubeconfig(*text, path);
  if (!config) return failed("", config.error().message());
  if (config->exec && !is_here) {
    return failed("", fmt::format("{} names a program, and of another root "
                                  "none is run",
                                  path));
  }
  kube::KubeconfigCredentials credentials(
      *std::move(config), host, session.runner,
      {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
      [] { return std::chrono::system_clock::now(); });
  std::string node = options.node_name;
  if (node.empty()) {
    const auto access = credentials.access(false);
    if (!access) return failed("", access.error().message());
    node = node_of(*access, host);
  }
  kube::Client client(credentials, nullptr,
                      patience(std::chrono::seconds(options.timeout_seconds)));
  const auto written = kube::write_node_condition(
      client, node, diagnose::condition_of(findings), now);
  if (!written) return failed(node, words_of(written.error(), node));
  return {End::kWritten, node, ""};
}

}  // namespace gpunode::cli
