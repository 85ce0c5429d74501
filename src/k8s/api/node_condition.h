// A condition in a Node's status: what monitoring and people look at.
//
// Conditions are many writers' list, merged by type; the kubelet writes its own
// and leaves others' alone.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/time_text.h"

namespace gpunode::kube {

struct NodeCondition {
  enum class Status { kTrue, kFalse, kUnknown };

  std::string type;  ///< "GpuNodeNeedsAttention"; nobody else's.
  Status status = Status::kUnknown;
  std::string reason;   ///< One word in CamelCase, for programs.
  std::string message;  ///< For people; at most 1 KiB is kept.
};

/// The strategic merge patch for a Node's status that says `condition` at
/// `now`. Its lastTransitionTime is the one of `node`, the Node's JSON, while
/// the status there is the same. kCorrupt if that is no Node. Pure.
Result<std::string> condition_patch(std::string_view node,
                                    const NodeCondition& condition,
                                    WallTime now);

/// Reads the Node `name` and patches its status. Who is the kubelet of that
/// Node may do so. Errors are the client's.
Result<void> write_node_condition(Client& client, const std::string& name,
                                  const NodeCondition& condition, WallTime now);

}  // namespace gpunode::kube
