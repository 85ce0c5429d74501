#include "node/rollout/walk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8s/api/eviction.h"

namespace gpunode::rollout {
namespace {

using End = WalkOutcome::End;

constexpr unsigned kPatchTries = 10;

/// What a person types who has put the node right, or gives it up.
std::string ways_on(const std::string& node) {
  return fmt::format(
      "to go on, with this node first: the same command\n"
      "to give {0} up:  kubectl annotate node {0} {1}- && kubectl label node "
      "{0} {2}- && kubectl uncordon {0}",
      node, kRolloutAnnotation, kBringLabel);
}

}  // namespace

bool Walk::wait(std::chrono::milliseconds time) {
  const TimePoint until = clock_.now() + options_.api_timeout;
  for (;;) {
    auto renewed = lease_.renew();
    const bool may_come = !renewed && clock_.now() < until &&
                          renewed.error().code() == ErrorCode::kUnavailable;
    if (!renewed && !may_come) {
      lost_ = std::move(renewed).error();
      return false;
    }
    if (!pause_(may_come ? kBetweenLooks : time)) {
      is_stopped_ = true;
      return false;
    }
    if (!may_come) return true;
  }
}

void Walk::waits(const std::string& node, const std::string& words) {
  if (words == told_) return;
  told_ = words;
  observer_.waits(node, words);
}

WalkOutcome Walk::stopped(const std::string& node) const {
  if (lost_) return {End::kTrouble, node, lost_->message(), "", 0};
  return {End::kStopped, node,
          node.empty() ? "stopped"
                       : fmt::format("stopped; what was begun at {} stands "
                                     "on the Node",
                                     node),
          node.empty() ? "to go on: the same command" : ways_on(node), 0};
}

WalkOutcome Walk::trouble(const std::string& node, const Error& error) const {
  if (is_stopped_ || lost_) return stopped(node);
  WalkOutcome outcome{End::kTrouble, node, error.message(), "", 0};
  if (error.code() == ErrorCode::kPermissionDenied) {
    outcome.next =
        "docs/security.md has the rights that a roll-out needs; then the same "
        "command";
  } else if (error.code() == ErrorCode::kNotFound) {
    outcome.next = "`kubectl get nodes`; then the same command";
  } else if (error.code() == ErrorCode::kUnavailable) {
    outcome.next = "the same command goes on when the API server answers";
  } else {
    outcome.next = "the same command goes on when that is put right";
  }
  return outcome;
}

Result<NodeLook> Walk::look(const std::string& name) {
  return patiently(name, [&]() -> Result<NodeLook> {
    TRY(const std::string json, client_.get(kube::nodes(), {"", name}));
    return read_node(json);
  });
}

Result<void> Walk::change(
    const std::string& name,
    const std::function<Result<std::string>(const NodeLook& node)>& make) {
  for (unsigned attempt = 1;; ++attempt) {
    TRY(const NodeLook node, look(name));
    TRY(const std::string patch, make(node));
    auto done = patiently(name, [&]() -> Result<void> {
      TRY_VOID(client_.merge_patch(kube::nodes(), {"", name}, patch));
      return {};
    });
    // The kubelet writes the Node as well, every few seconds perhaps.
    const bool has_changed =
        !done && done.error().code() == ErrorCode::kAlreadyExists;
    if (!has_changed || attempt >= kPatchTries) return done;
  }
}

Result<NodeMark> Walk::own(const NodeLook& was, const NodeLook& now) const {
  const bool is_same = now.version.uid == was.version.uid && now.mark &&
                       now.mark->digest == options_.manifest.digest;
  if (is_same) return *now.mark;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("somebody else has changed annotation {} of the "
                           "Node, or made it anew, while this was at work; it "
                           "is left as it is now",
                           kRolloutAnnotation));
}

WalkOutcome Walk::bad(const NodeLook& node, Phase phase,
                      const std::string& words, const std::string& next) {
  WalkOutcome outcome{End::kBadNode, node.name, words,
                      next + ways_on(node.name), 0};
  const auto marked =
      change(node.name, [&](const NodeLook& now) -> Result<std::string> {
        TRY(NodeMark mark, own(node, now));
        mark.phase = phase;
        mark.why = words;
        return mark_patch(now.version, mark);
      });
  if (!marked) {
    outcome.words += " (and this could not be written to the Node: " +
                     marked.error().message() + ")";
  }
  return outcome;
}

Walk::Ending Walk::begin(const NodeLook& node) {
  const auto pods = patiently(
      node.name, [&] { return pods_on(client_, daemon_sets_, node.name); });
  if (!pods) return trouble(node.name, pods.error());
  const DrainPlan drain = plan_drain(*pods, options_.drain);
  // One that another file's roll-out left behind is perhaps what this one is
  // to put right.
  const std::vector<std::string> obstacles =
      node.mark ? drain.refusals : obstacles_of(node, drain);
  if (!obstacles.empty()) {
    return WalkOutcome{End::kRefused, node.name,
                       fmt::format("{}", fmt::join(obstacles, "; ")),
                       "it is left as it was; then the same command", 0};
  }
  bool was_cordoned = false;
  const auto done =
      change(node.name, [&](const NodeLook& now) -> Result<std::string> {
        NodeMark mark;
        mark.digest = options_.manifest.digest;
        was_cordoned = now.mark ? now.mark->was_cordoned : now.is_cordoned;
        mark.was_cordoned = was_cordoned;
        mark.gpus = now.mark ? now.mark->gpus : now.gpus;
        return begin_patch(now.version, mark);
      });
  if (!done) return trouble(node.name, done.error());
  observer_.did(node.name, was_cordoned
                               ? "was cordoned before, and will stay so"
                               : "cordoned");
  return std::nullopt;
}

Walk::Ending Walk::finish(const NodeLook& node) {
  bool was_cordoned = false;
  const auto done =
      change(node.name, [&](const NodeLook& now) -> Result<std::string> {
        // It was done, and the answer was lost: nothing more is uncordoned.
        if (!now.mark && now.version.uid == node.version.uid &&
            now.done_digest == options_.manifest.digest) {
          NodeMark mark = *node.mark;
          mark.was_cordoned = true;
          return finish_patch(now.version, mark);
        }
        TRY(const NodeMark mark, own(node, now));
        was_cordoned = mark.was_cordoned;
        return finish_patch(now.version, mark);
      });
  if (!done) return trouble(node.name, done.error());
  observer_.did(node.name, was_cordoned ? "stays cordoned, as it was before"
                                        : "uncordoned");
  observer_.node_done(node.name);
  return std::nullopt;
}

Walk::Ending Walk::check(const NodeLook& node) {
  const TimePoint until = clock_.now() + options_.health_timeout;
  for (;;) {
    const auto now = look(node.name);
    if (!now) return trouble(node.name, now.error());
    const auto complaints =
        complaints_of(*now, node.mark->gpus, options_.allows_fewer_gpus);
    if (complaints.empty()) break;
    const std::string words = fmt::format("{}", fmt::join(complaints, "; "));
    if (clock_.now() >= until) {
      return bad(node, Phase::kChecking, words,
                 fmt::format("how it is:  kubectl describe node {}; on the "
                             "node `gpunode doctor`\n",
                             node.name));
    }
    waits(node.name, words);
    if (!wait(kBetweenLooks)) return stopped(node.name);
  }
  if (options_.trial) {
    const auto complaint =
        patiently(node.name, [&] { return options_.trial(node.name); });
    if (!complaint) return trouble(node.name, complaint.error());
    if (*complaint) {
      if (!wait(std::chrono::milliseconds(0))) return stopped(node.name);
      return bad(node, Phase::kChecking, **complaint,
                 "on the node:  gpunode verify\n");
    }
    observer_.did(node.name, "a Pod has added vectors on a GPU");
  }
  return finish(node);
}

Walk::Ending Walk::roll(const std::string& name) {
  for (bool has_begun = false;;) {
    const auto node = look(name);
    if (!node) return trouble(name, node.error());
    if (!node->mark_trouble.empty()) {
      return WalkOutcome{End::kRefused, name, node->mark_trouble, "", 0};
    }
    const bool is_ours =
        node->mark && node->mark->digest == options_.manifest.digest;
    Ending ending;
    const bool is_open =
        is_ours && node->mark->phase != Phase::kChecking && !node->is_cordoned;
    if (is_open) {
      // Somebody has uncordoned it, and work may have come: from the start.
      ending = begin(*node);
      has_begun = true;
    } else if (is_ours) {
      switch (node->mark->phase) {
        case Phase::kDraining:
          ending = drain(*node);
          break;
        case Phase::kBringing:
          ending = bring(*node);
          break;
        case Phase::kChecking:
          return check(*node);
      }
    } else if (!node->mark && node->done_digest == options_.manifest.digest) {
      observer_.node_skipped(name);
      return std::nullopt;
    } else if (has_begun) {
      return WalkOutcome{
          End::kTrouble, name,
          fmt::format("somebody has taken annotation {} from the Node while "
                      "this was at work",
                      kRolloutAnnotation),
          ways_on(name), 0};
    } else {
      ending = begin(*node);
      has_begun = true;
    }
    if (ending) return ending;
  }
}

WalkOutcome Walk::run(const std::vector<std::string>& nodes) {
  const auto discovery =
      patiently("", [&] { return client_.get_path("/api/v1"); });
  if (!discovery) return trouble("", discovery.error());
  auto version = kube::eviction_version(*discovery);
  if (!version) return {End::kTrouble, "", version.error().message(), "", 0};
  eviction_version_ = *std::move(version);
  std::size_t index = 0;
  for (const std::string& node : nodes) {
    told_.clear();
    observer_.node_started(node, index, nodes.size());
    if (!wait(std::chrono::milliseconds(0))) {
      WalkOutcome outcome = stopped("");
      outcome.done = index;
      return outcome;
    }
    if (Ending ending = roll(node)) {
      ending->done = index;
      return *std::move(ending);
    }
    ++index;
  }
  return {End::kDone, "", "", "", index};
}

}  // namespace gpunode::rollout
