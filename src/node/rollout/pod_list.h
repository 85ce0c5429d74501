// Lists of the API server, whole.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "k8s/api/client.h"
#include "node/rollout/drain.h"

namespace gpunode::rollout {

/// All pages of a list. A list that the server forgot on the way is begun anew.
Result<std::vector<std::string>> list_all(kube::Client& client,
                                          const kube::ResourceType& type,
                                          const kube::Selection& selection);

/// What DaemonSets say of the Pods that claim to be theirs. Each claim is
/// looked up once, as long as this lives.
class DaemonSets {
 public:
  /// Whether `pod`'s is there, in the group and namespace and with the uid that
  /// it says; or that one may not look.
  Result<void> look_up(kube::Client& client, DrainPod& pod);

 private:
  struct Answer {
    bool is_own = false;
    std::string trouble;
  };
  static Result<Answer> ask(kube::Client& client,
                            const kube::ResourceType& type,
                            const DrainPod& pod);

  std::map<std::string, Answer> known_;  ///< By group, namespace, name, uid.
};

/// Pods on a node, for plan_drain().
Result<std::vector<DrainPod>> pods_on(kube::Client& client,
                                      DaemonSets& daemon_sets,
                                      const std::string& node);

}  // namespace gpunode::rollout
