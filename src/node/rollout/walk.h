// A roll-out, node by node, through the API server.
//
// What is remembered is on the Nodes (node_mark.h): each step begins with what
// the API server says now, so a walk that was killed anywhere is gone on with
// by another one. The first node that is not well ends it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/lease.h"
#include "node/rollout/bring_manifest.h"
#include "node/rollout/bring_pod.h"
#include "node/rollout/pod_list.h"
#include "node/rollout/rollout_plan.h"

namespace gpunode::rollout {

/// Why something is not well; nothing: it is.
using Complaint = std::optional<std::string>;

/// One node's Pod that proves its GPUs, made and taken away again. An error
/// says nothing about the node; kUnavailable: another try may tell.
using Trial = std::function<Result<Complaint>(const std::string& node)>;

struct WalkOptions {
  BringManifest manifest;
  DrainOptions drain;
  std::chrono::seconds drain_timeout{std::chrono::minutes(30)};
  std::chrono::seconds bring_timeout{std::chrono::minutes(90)};
  /// For the bringer's Pod to run at all.
  std::chrono::seconds start_timeout{std::chrono::minutes(15)};
  std::chrono::seconds health_timeout{std::chrono::minutes(15)};
  /// How long the API server may not answer.
  std::chrono::seconds api_timeout{std::chrono::minutes(5)};
  bool allows_fewer_gpus = false;
  Trial trial;  ///< Empty: none.
};

/// Told what happens, on the walk's thread.
class WalkObserver {
 public:
  virtual ~WalkObserver() = default;
  virtual void node_started(const std::string& node, std::size_t index,
                            std::size_t count) = 0;
  virtual void node_skipped(const std::string& node) = 0;
  /// Something was done: "cordoned", "asks default/web-1 to go".
  virtual void did(const std::string& node, const std::string& what) = 0;
  /// Something is waited for; told once for the same words in a row.
  virtual void waits(const std::string& node, const std::string& what) = 0;
  virtual void node_done(const std::string& node) = 0;
};

struct WalkOutcome {
  enum class End : std::uint8_t {
    kDone,
    kBadNode,  ///< It stays cordoned.
    kRefused,  ///< The node was left as it was.
    kStopped,
    kTrouble,  ///< The API server, or the lease.
  };
  End end = End::kDone;
  std::string node;   ///< Where it ended; empty: at none.
  std::string words;  ///< Why.
  std::string next;   ///< What to type; may be several lines.
  std::size_t done = 0;
};

/// One thread, the client's. What it is given must outlive it.
class Walk {
 public:
  /// Waits and says true, or false when it is to stop.
  using Pause = std::function<bool(std::chrono::milliseconds)>;

  Walk(kube::Client& client, kube::LeaseHolder& lease, const Clock& clock,
       Pause pause, WalkObserver& observer, const WalkOptions& options)
      : client_(client),
        lease_(lease),
        clock_(clock),
        pause_(std::move(pause)),
        observer_(observer),
        options_(options) {}

  /// The lease is held, and the objects of bring_manifest.h are there.
  WalkOutcome run(const std::vector<std::string>& nodes);

 private:
  /// Nothing: the node is done.
  using Ending = std::optional<WalkOutcome>;

  Ending roll(const std::string& name);
  Ending begin(const NodeLook& node);
  Ending drain(const NodeLook& node);
  Ending bring(const NodeLook& node);
  Ending check(const NodeLook& node);

  /// A Pod that a budget holds, and when it may be asked again.
  struct Held {
    TimePoint until;
    std::string words;
  };

  /// One round of a drain: asks those to go that were not asked yet.
  Result<DrainPlan> drain_round(const std::string& name);
  Result<void> evict(const std::string& node, const DrainPod& pod);
  std::string drain_words(const DrainPlan& plan) const;
  Result<BringState> bring_state(const std::string& node);
  Result<void> remove_bring_pods(const std::string& node);
  Ending await_bringer(const NodeLook& node);
  Ending finish(const NodeLook& node);

  Result<NodeLook> look(const std::string& name);
  /// The mark that `now` has, if the roll-out of `was` still goes on there.
  Result<NodeMark> own(const NodeLook& was, const NodeLook& now) const;
  /// The patch that `make` makes of the Node as it is, however often the Node
  /// changes meanwhile.
  Result<void> change(
      const std::string& name,
      const std::function<Result<std::string>(const NodeLook& node)>& make);
  /// Again and again while the API server does not answer.
  template <class Ask>
  auto patiently(const std::string& node, Ask ask) -> decltype(ask());
  static constexpr std::chrono::milliseconds kBetweenLooks{500};

  /// With the lease renewed, which may take longer. False: stopped, or the
  /// lease is lost; stopped() says which.
  bool wait(std::chrono::milliseconds time);
  void waits(const std::string& node, const std::string& words);

  WalkOutcome bad(const NodeLook& node, Phase phase, const std::string& words,
                  const std::string& next);
  WalkOutcome trouble(const std::string& node, const Error& error) const;
  /// What wait() said false for.
  WalkOutcome stopped(const std::string& node) const;

  kube::Client& client_;
  kube::LeaseHolder& lease_;
  const Clock& clock_;
  Pause pause_;
  WalkObserver& observer_;
  const WalkOptions& options_;
  std::string eviction_version_;
  DaemonSets daemon_sets_;
  std::map<std::string, Held> held_;  ///< By a Pod's uid.
  std::string told_;
  bool is_stopped_ = false;
  std::optional<Error> lost_;
};

template <class Ask>
auto Walk::patiently(const std::string& node, Ask ask) -> decltype(ask()) {
  const TimePoint until = clock_.now() + options_.api_timeout;
  for (;;) {
    auto answer = ask();
    if (answer || answer.error().code() != ErrorCode::kUnavailable ||
        clock_.now() >= until) {
      return answer;
    }
    waits(node, answer.error().message());
    if (!wait(kBetweenLooks)) return answer;
  }
}

}  // namespace gpunode::rollout
