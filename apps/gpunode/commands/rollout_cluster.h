// What `gpunode rollout` asks of a cluster before its walk begins.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/lease.h"
#include "node/rollout/bring_manifest.h"
#include "node/rollout/rollout_plan.h"
#include "node/rollout/walk.h"

namespace gpunode::cli {

/// The kubeconfig that a person means without saying so: of KUBECONFIG the
/// first, else ~/.kube/config. kNotFound: there is neither.
Result<std::string> kubeconfig_of(const Session& session);

/// Looks at the Nodes of the selector, at the Pods on them, and whether a
/// roll-out was left behind elsewhere. kNotFound: no Node is selected.
Result<rollout::RolloutPlan> look_at_cluster(
    kube::Client& client, const std::string& selector,
    const std::string& digest, const rollout::DrainOptions& drain);

/// This run of the program, for a lease that others read; and whether a holder
/// was one on this machine that is dead.
kube::LeaseHolder::Self lease_self(const Session& session);

/// Waits for an API server that is away, for `most` each time, and tells why.
class ApiPatience {
 public:
  /// `pause` waits for a moment and says true, or false when it is to stop.
  ApiPatience(const Clock& clock, std::chrono::seconds most,
              rollout::WalkObserver& follower, std::function<bool()> pause)
      : clock_(clock),
        most_(most),
        follower_(follower),
        pause_(std::move(pause)) {}

  bool operator()(const Error& away);

  /// It has answered: when it is away again, that is another time.
  void answered();

 private:
  const Clock& clock_;
  std::chrono::seconds most_;
  rollout::WalkObserver& follower_;
  std::function<bool()> pause_;
  std::optional<TimePoint> until_;
  std::string told_;
};

/// Asks again while the API server does not answer, as long as `patience` says
/// true.
template <class Ask>
auto insist(ApiPatience& patience, Ask ask) -> decltype(ask()) {
  for (;;) {
    auto answer = ask();
    if (answer || answer.error().code() != ErrorCode::kUnavailable) {
      patience.answered();
      return answer;
    }
    if (!patience(answer.error())) return answer;
  }
}

/// The same while the lease is held, which is renewed before each try: once it
/// is another's, nothing more is asked for.
template <class Ask>
auto insist(kube::LeaseHolder& lease, ApiPatience& patience, Ask ask)
    -> decltype(ask()) {
  return insist(patience, [&]() -> decltype(ask()) {
    TRY_VOID(lease.renew());
    return ask();
  });
}

/// Makes the namespace, takes the lease, and then makes or changes the rest:
/// another roll-out's DaemonSet is left alone. `await` while somebody has the
/// lease who is perhaps dead, `patience` while the API server is away.
Result<void> begin_rollout(kube::Client& client, kube::LeaseHolder& lease,
                           const rollout::BringManifest& manifest,
                           const kube::LeaseHolder::Await& await,
                           ApiPatience& patience);

}  // namespace gpunode::cli
