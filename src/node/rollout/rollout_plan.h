// Which nodes a roll-out goes over, in which order, and what it would do. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/rollout/drain.h"
#include "node/rollout/node_look.h"

namespace gpunode::rollout {

struct PlannedNode {
  enum class State : std::uint8_t {
    kDone,      ///< This file was rolled out here: passed over.
    kUnderWay,  ///< A roll-out has begun here and did not end.
    kToDo,
    kBlocked,  ///< As it is now, the roll-out would stop here; `words` say why.
  };
  State state = State::kToDo;
  NodeLook node;
  std::size_t leaving = 0;  ///< Pods that must go.
  std::size_t staying = 0;
  std::vector<std::string> words;  ///< Why blocked, or where it stopped.
};

struct RolloutPlan {
  std::string digest;
  /// In the order in which they are done: what is under way first, then by
  /// name.
  std::vector<PlannedNode> nodes;
  /// Nodes that are not selected and bear a mark of a roll-out that has not
  /// ended: told, and left alone.
  std::vector<NodeLook> others;

  std::size_t count(PlannedNode::State state) const;
};

/// A Node of the selection, with the Pods on it.
struct SelectedNode {
  NodeLook node;
  std::vector<DrainPod> pods;
};

RolloutPlan plan_rollout(std::vector<SelectedNode> nodes,
                         std::vector<NodeLook> others,
                         const std::string& digest,
                         const DrainOptions& options);

/// What became of a plan that was shown while another roll-out held the lease.
struct SecondLook {
  /// What is to be done, in the order of the later plan.
  std::vector<std::string> nodes;
  /// What is other than was shown, a line each.
  std::vector<std::string> words;
};

/// Only nodes that were shown are gone over: nobody has agreed to others.
SecondLook look_again(const RolloutPlan& shown, const RolloutPlan& now);

/// Why a roll-out may not begin on a node, a line each.
std::vector<std::string> obstacles_of(const NodeLook& node,
                                      const DrainPlan& drain);

}  // namespace gpunode::rollout
