#include "node/rollout/rollout_plan.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace gpunode::rollout {
namespace {

using State = PlannedNode::State;

PlannedNode planned(SelectedNode selected, const std::string& digest,
                    const DrainOptions& options) {
  PlannedNode one;
  const DrainPlan drain = plan_drain(std::move(selected.pods), options);
  one.leaving = drain.leaving.size();
  one.staying = drain.staying;
  one.node = std::move(selected.node);
  if (one.node.mark) {
    one.state = State::kUnderWay;
    const NodeMark& mark = *one.node.mark;
    if (!mark.why.empty()) one.words.push_back(mark.why);
    if (mark.digest != digest) {
      one.words.push_back(
          "by a roll-out of another file, which this one takes "
          "over");
    }
    return one;
  }
  if (one.node.done_digest == digest && one.node.mark_trouble.empty()) {
    one.state = State::kDone;
    return one;
  }
  one.words = obstacles_of(one.node, drain);
  if (!one.words.empty()) one.state = State::kBlocked;
  return one;
}

const PlannedNode* find_node(const RolloutPlan& plan, const std::string& name) {
  const auto at = std::ranges::find(
      plan.nodes, name, [](const PlannedNode& one) { return one.node.name; });
  return at == plan.nodes.end() ? nullptr : &*at;
}

/// How a Node stands that a roll-out of before has left half-way.
std::string left_words(const NodeLook& node, const std::string& digest) {
  const NodeMark& mark = *node.mark;
  const std::string rollout = fmt::format(
      "a roll-out of {} file that has not ended there ({}{}{})",
      mark.digest == digest ? "this" : "another", phase_name(mark.phase),
      mark.why.empty() ? "" : ": ", mark.why);
  if (!node.is_cordoned) return "not cordoned any more after " + rollout;
  if (mark.was_cordoned) return "cordoned by somebody before " + rollout;
  return "cordoned by " + rollout;
}

/// Of a Node that was not in the plan that was shown.
std::string new_words(const NodeLook& node, const std::string& digest) {
  if (node.mark) {
    return fmt::format(
        "{} is selected by now and was not in the plan: it stays as it is, {}; "
        "next: the same command, once more, goes on with it",
        node.name, left_words(node, digest));
  }
  return fmt::format(
      "{} is selected by now and was not in the plan: it is left alone; "
      "the same command, once more, takes it in",
      node.name);
}

/// Of one that was in it, and is none of the selected any more.
std::string missing_words(const RolloutPlan& now, const std::string& name) {
  const auto other = std::ranges::find(now.others, name, &NodeLook::name);
  if (other != now.others.end()) {
    return fmt::format(
        "{} is not selected any more: it stays as it is, {}; next: the same "
        "command with a --selector that has it goes on with it",
        name, left_words(*other, now.digest));
  }
  return fmt::format("{} is gone, or not selected any more: it is left alone",
                     name);
}

}  // namespace

std::size_t RolloutPlan::count(State state) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      nodes, [state](const PlannedNode& one) { return one.state == state; }));
}

std::vector<std::string> obstacles_of(const NodeLook& node,
                                      const DrainPlan& drain) {
  std::vector<std::string> words;
  if (!node.mark_trouble.empty()) words.push_back(node.mark_trouble);
  if (node.is_control_plane) {
    words.push_back(
        "it is of the control plane, which a drain and a reboot would take "
        "away; next: leave it out by --selector");
  }
  if (!node.is_ready) {
    words.push_back(fmt::format(
        "it is not Ready ({}), so nothing can be brought to it; next: put it "
        "right, or leave it out by --selector",
        node.ready_words.empty() ? "its kubelet says nothing"
                                 : node.ready_words));
  }
  words.insert(words.end(), drain.refusals.begin(), drain.refusals.end());
  return words;
}

RolloutPlan plan_rollout(std::vector<SelectedNode> nodes,
                         std::vector<NodeLook> others,
                         const std::string& digest,
                         const DrainOptions& options) {
  RolloutPlan plan;
  plan.digest = digest;
  for (SelectedNode& node : nodes) {
    plan.nodes.push_back(planned(std::move(node), digest, options));
  }
  std::ranges::sort(plan.nodes, {}, [](const PlannedNode& one) {
    return std::make_tuple(one.state != State::kUnderWay, one.node.name);
  });
  for (NodeLook& other : others) {
    if (other.mark) plan.others.push_back(std::move(other));
  }
  std::ranges::sort(plan.others, {}, &NodeLook::name);
  return plan;
}

SecondLook look_again(const RolloutPlan& shown, const RolloutPlan& now) {
  SecondLook look;
  for (const PlannedNode& one : now.nodes) {
    const std::string& name = one.node.name;
    const PlannedNode* const before = find_node(shown, name);
    if (before == nullptr) {
      look.words.push_back(new_words(one.node, now.digest));
    } else if (one.state != State::kDone) {
      look.nodes.push_back(name);
      if (before->state == State::kDone) {
        look.words.push_back(
            fmt::format("{} was done, and is not any more", name));
      } else if (one.state == State::kUnderWay &&
                 before->state != State::kUnderWay) {
        look.words.push_back(fmt::format(
            "another roll-out has begun at {} meanwhile: it comes first",
            name));
      }
    } else if (before->state != State::kDone) {
      look.words.push_back(
          fmt::format("{} was done by another roll-out meanwhile", name));
    }
  }
  for (const PlannedNode& one : shown.nodes) {
    if (find_node(now, one.node.name) != nullptr) continue;
    look.words.push_back(missing_words(now, one.node.name));
  }
  return look;
}

}  // namespace gpunode::rollout
