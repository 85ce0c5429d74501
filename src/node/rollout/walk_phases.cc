// The phases of a walk that wait for others: Pods that leave, a file that is
// applied.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8s/api/eviction.h"
#include "node/rollout/walk.h"

namespace gpunode::rollout {
namespace {

using std::chrono::seconds;

/// As kubectl: a budget that holds is not asked more often.
constexpr seconds kBetweenEvictions(5);

std::string name_of(const DrainPod& pod) {
  return pod.key.space + "/" + pod.key.name;
}

std::string bringer_log(const std::string& pod) {
  return fmt::format("what happened there:  kubectl -n {} logs {}\n",
                     kBringSpace, pod);
}

}  // namespace

Result<void> Walk::evict(const std::string& node, const DrainPod& pod) {
  TRY(const kube::Answer answer,
      client_.evict(pod.key,
                    kube::eviction_json(pod.key, eviction_version_, pod.uid)));
  TRY(const kube::Eviction eviction, kube::judge_eviction(pod.key, answer));
  if (eviction.end == kube::Eviction::End::kHeld) {
    held_[pod.uid] = {clock_.now() + kBetweenEvictions,
                      name_of(pod) + ": " + eviction.words};
    return {};
  }
  held_.erase(pod.uid);
  if (eviction.end == kube::Eviction::End::kAccepted) {
    observer_.did(node, "evicted " + name_of(pod));
  }
  return {};
}

Result<DrainPlan> Walk::drain_round(const std::string& name) {
  TRY(std::vector<DrainPod> pods, pods_on(client_, daemon_sets_, name));
  DrainPlan plan = plan_drain(std::move(pods), options_.drain);
  if (!plan.refusals.empty()) return plan;
  for (const DrainPod& pod : plan.leaving) {
    const auto held = held_.find(pod.uid);
    const bool rests = held != held_.end() && clock_.now() < held->second.until;
    if (pod.is_leaving || rests) continue;
    // Each may take its time, and the lease and a person's Ctrl-C do not wait.
    if (!wait(std::chrono::milliseconds(0))) {
      return Error(ErrorCode::kInternal, "stopped");
    }
    TRY_VOID(evict(name, pod));
  }
  return plan;
}

std::string Walk::drain_words(const DrainPlan& plan) const {
  for (const DrainPod& pod : plan.leaving) {
    const auto held = held_.find(pod.uid);
    if (held != held_.end()) return held->second.words;
  }
  std::vector<std::string> names;
  for (const DrainPod& pod : plan.leaving) names.push_back(name_of(pod));
  constexpr std::size_t kMost = 3;
  const std::size_t more = names.size() > kMost ? names.size() - kMost : 0;
  names.resize(std::min(names.size(), kMost));
  return fmt::format("Pods that end: {}{}", fmt::join(names, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

Walk::Ending Walk::drain(const NodeLook& node) {
  const TimePoint until = clock_.now() + options_.drain_timeout;
  held_.clear();
  for (;;) {
    const auto plan =
        patiently(node.name, [&] { return drain_round(node.name); });
    if (!plan) return trouble(node.name, plan.error());
    if (!plan->refusals.empty()) {
      return bad(node, Phase::kDraining,
                 fmt::format("{}", fmt::join(plan->refusals, "; ")), "");
    }
    if (plan->leaving.empty()) {
      observer_.did(node.name,
                    fmt::format("drained; {} Pods of DaemonSets and static "
                                "ones stay",
                                plan->staying));
      break;
    }
    const std::string words = drain_words(*plan);
    if (clock_.now() >= until) {
      return bad(node, Phase::kDraining,
                 fmt::format("not drained within {} s: {}",
                             options_.drain_timeout.count(), words),
                 "what holds them:  kubectl get pdb -A\n");
    }
    waits(node.name, words);
    if (!wait(kBetweenLooks)) return stopped(node.name);
  }
  const auto marked =
      change(node.name, [&](const NodeLook& now) -> Result<std::string> {
        TRY(NodeMark mark, own(node, now));
        mark.phase = Phase::kBringing;
        mark.why.clear();
        return mark_patch(now.version, mark);
      });
  if (!marked) return trouble(node.name, marked.error());
  return std::nullopt;
}

Result<BringState> Walk::bring_state(const std::string& node) {
  kube::Selection selection{kBringSpace, "spec.nodeName=" + node,
                            kBringPodSelector};
  TRY(const auto pods, list_all(client_, kube::pods(), selection));
  return read_bring_state(pods, options_.manifest.digest);
}

Result<void> Walk::remove_bring_pods(const std::string& node) {
  kube::Selection selection{kBringSpace, "spec.nodeName=" + node,
                            kBringPodSelector};
  TRY(const auto pods, list_all(client_, kube::pods(), selection));
  TRY(const auto keys, bring_pods(pods));
  for (const kube::ObjectKey& key : keys) {
    const auto removed = client_.remove(kube::pods(), key);
    if (!removed && removed.error().code() != ErrorCode::kNotFound) {
      return removed.error();
    }
  }
  return {};
}

Walk::Ending Walk::await_bringer(const NodeLook& node) {
  using Kind = BringState::Kind;
  const TimePoint until = clock_.now() + options_.bring_timeout;
  TimePoint ran = clock_.now();
  for (;;) {
    const auto state =
        patiently(node.name, [&] { return bring_state(node.name); });
    if (!state) return trouble(node.name, state.error());
    if (state->kind == Kind::kDone) return std::nullopt;
    if (state->kind == Kind::kFailed) {
      return bad(node, Phase::kBringing, state->words, bringer_log(state->pod));
    }
    std::string words = "the file is applied on the node";
    if (state->kind == Kind::kRunning) {
      ran = clock_.now();
    } else if (state->kind == Kind::kNone) {
      words = "the bringer's Pod to be made";
    } else {
      words = fmt::format("the bringer's Pod {} to run{}{}", state->pod,
                          state->words.empty() ? "" : ": ", state->words);
    }
    const bool never_runs = clock_.now() - ran >= options_.start_timeout;
    if (never_runs || clock_.now() >= until) {
      return bad(node, Phase::kBringing,
                 fmt::format("not within {} s: {}",
                             (never_runs ? options_.start_timeout
                                         : options_.bring_timeout)
                                 .count(),
                             words),
                 state->pod.empty() ? "" : bringer_log(state->pod));
    }
    waits(node.name, words);
    if (!wait(kBetweenLooks)) return stopped(node.name);
  }
}

Walk::Ending Walk::bring(const NodeLook& node) {
  if (!node.mark->why.empty()) {
    // Each Pod is one attempt: another one is made.
    const auto removed =
        patiently(node.name, [&] { return remove_bring_pods(node.name); });
    if (!removed) return trouble(node.name, removed.error());
    observer_.did(node.name, "tries again");
  }
  const auto wanted = short_digest(options_.manifest.digest);
  if (!node.mark->why.empty() || node.bring_label != wanted) {
    const auto marked =
        change(node.name, [&](const NodeLook& now) -> Result<std::string> {
          TRY(NodeMark mark, own(node, now));
          mark.why.clear();
          return mark_patch(now.version, mark);
        });
    if (!marked) return trouble(node.name, marked.error());
  }
  if (auto ending = await_bringer(node)) return ending;
  observer_.did(node.name, "the file is applied");
  const auto marked =
      change(node.name, [&](const NodeLook& now) -> Result<std::string> {
        TRY(NodeMark mark, own(node, now));
        mark.phase = Phase::kChecking;
        mark.why.clear();
        return mark_patch(now.version, mark);
      });
  if (!marked) return trouble(node.name, marked.error());
  return std::nullopt;
}

}  // namespace gpunode::rollout
