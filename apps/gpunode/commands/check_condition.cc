#include "apps/gpunode/commands/check_condition.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "apps/gpunode/commands/cluster_access.h"
#include "apps/gpunode/commands/given_path.h"
#include "k8s/api/node_condition.h"

namespace gpunode::cli {
namespace {

using diagnose::ConditionReport;
using End = ConditionReport::End;

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
  ClusterOptions reach{
      .kubeconfig = given_path(options.kubeconfig, host.prefix()),
      .node_name = options.node_name,
      .user_agent = "gpunode-check",
      .patience = std::chrono::seconds(options.timeout_seconds)};
  auto cluster = ClusterAccess::open(reach, host, session);
  if (!cluster) {
    const bool is_alone = !is_named && kubelet_config_of(host).empty();
    if (is_alone) return {End::kNotJoined, "", cluster.error().message()};
    return failed("", cluster.error().message());
  }
  const std::string& node = (*cluster)->node();
  const auto written = kube::write_node_condition(
      (*cluster)->client(), node, diagnose::condition_of(findings), now);
  if (!written) return failed(node, words_of(written.error(), node));
  return {End::kWritten, node, ""};
}

}  // namespace gpunode::cli
