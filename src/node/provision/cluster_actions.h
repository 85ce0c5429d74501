// Becoming a node of a cluster, ceasing to be one, and what the Node says.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "k8s/api/time_text.h"
#include "node/provision/action.h"
#include "node/provision/cluster_info.h"
#include "node/provision/cluster_probe.h"
#include "node/provision/inverse.h"
#include "node/provision/kubeadm_words.h"

namespace gpunode::provision {

/// What a join needs of the world beside files and programs.
struct ClusterSurroundings {
  /// A variable of the environment, for tokens that are there. Default: of this
  /// process.
  std::function<std::optional<std::string>(std::string_view)> environment = {};
  /// Runs what prints or is given a token: its output is shown to nobody.
  /// Default: the runner of all else.
  host::CommandRunner* quiet_runner = nullptr;
  std::function<kube::WallTime()> now = {};  ///< Default: the clock.
};

/// Joins by kubeadm. The token is read when it is needed, stands in a file of
/// /run for root alone while kubeadm runs, and is in no message.
///
/// All that can be looked at before is looked at in prepare(): what is wrong
/// then is told before anything was changed or journalled. A join that fails
/// later is taken back: the host is a node, or none.
class ClusterActions {
 public:
  /// `runner` must outlive it.
  ClusterActions(const host::HostRoot& host, host::CommandRunner& runner,
                 ClusterSurroundings surroundings = {});

  /// What can be asked before the host is ready to join: token, endpoint, its
  /// CA, the clock, the name. Nothing is, where a program prints the token: it
  /// is run once a join. Changes nothing.
  Result<void> ask_early(const JoinCluster& action);

  Result<Inverse> prepare(const JoinCluster& action);
  static Result<Inverse> prepare(const LeaveCluster& action);
  Result<Inverse> prepare(const SetNodeMeta& action);

  Result<void> perform(const JoinCluster& action);
  /// Refused, kPermissionDenied, on a control plane, and where the host is a
  /// node of another cluster than `action` has.
  /// Nothing happens on a host without kubeadm's files. They go last: after an
  /// Error, which says what is left, it can be called again.
  Result<void> perform(const LeaveCluster& action);
  /// Nothing happens on a host that is no node. kPermissionDenied, with the
  /// command for somebody who may, where the cluster lets no kubelet do it.
  Result<void> perform(const SetNodeMeta& action);

 private:
  /// What a program printed, from prepare() to perform().
  struct Printed {
    std::vector<std::string> argv;
    std::string text;
  };

  Result<BootstrapToken> token_of(const JoinCluster& action);
  Result<std::string> token_text(const JoinCluster& action);
  Result<std::string> printed_token(const std::vector<std::string>& argv);
  Result<void> check_host(const JoinCluster& action) const;
  std::optional<std::string> containerd_config() const;
  Result<void> check_cgroups(const JoinCluster& action,
                             const std::string& driver) const;
  Result<std::string> kubeadm_version() const;
  Result<ClusterAnswer> ask(const JoinCluster& action,
                            JoinQuestion question) const;
  Result<std::optional<ClusterInfo>> discovered(
      const JoinCluster& action) const;
  Result<void> run_join(const JoinCluster& action, const std::string& token);
  /// What a kubelet that kubeadm has started says of itself since then; nothing
  /// where kubeadm did not come so far.
  KubeletWords kubelet_says(std::string_view output,
                            kube::WallTime since) const;
  /// What a join that was killed left of it.
  Result<void> forget_token() const;
  Result<void> check_left(const LeaveCluster& action) const;
  Result<void> leave() const;
  bool has_traces() const;
  host::CommandRunner& quiet() const;

  host::HostRoot host_;
  host::CommandRunner& runner_;
  ClusterSurroundings surroundings_;
  std::optional<Printed> printed_;
};

}  // namespace gpunode::provision
