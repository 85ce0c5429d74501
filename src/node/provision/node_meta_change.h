// Labels and taints of this host's Node, changed as the kubelet.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "k8s/api/time_text.h"
#include "node/provision/action.h"

namespace gpunode::provision {

/// What `node`, a Node's JSON, had where `action` changes it. Pure.
Result<SetNodeMeta> inverse_meta(const std::string& node,
                                 const SetNodeMeta& action);

/// A merge patch of a Node's labels; empty if all is so already. Pure.
Result<std::string> label_patch(const std::string& node,
                                const SetNodeMeta& action);

/// The same of its taints, which are a list: it names the version of the Node
/// that it was made from. Pure.
Result<std::string> taint_patch(const std::string& node,
                                const SetNodeMeta& action);

/// Asks the API server of kubelet.conf as the kubelet. Lives as long as one
/// action; host and runner must outlive it.
class NodeMetaChange {
 public:
  NodeMetaChange(const host::HostRoot& host, host::CommandRunner& runner,
                 std::function<kube::WallTime()> now)
      : host_(host), runner_(runner), now_(std::move(now)) {}

  Result<SetNodeMeta> inverse_of(const SetNodeMeta& action);
  /// Labels first, then taints: a cluster with NodeRestriction, as all of
  /// kubeadm's are, lets no kubelet change the taints of a Node that is there.
  /// kPermissionDenied says the kubectl command. Of a Node that is gone nothing
  /// is to be changed, or the rollback of a dead node would stop here for ever.
  Result<void> make(const SetNodeMeta& action);

 private:
  host::HostRoot host_;
  host::CommandRunner& runner_;
  std::function<kube::WallTime()> now_;
};

}  // namespace gpunode::provision
