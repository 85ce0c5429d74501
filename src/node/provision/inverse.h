// How an action is undone.
#pragma once

#include <utility>
#include <vector>

#include "node/provision/action.h"
#include "node/provision/journal.h"

namespace gpunode::provision {

/// What brings back what was before an action. Safe to carry out even if the
/// action never started or stopped half-way.
struct Inverse {
  std::vector<Action> actions = {};  ///< Empty: nothing to undo, or no way.
  Undo undo = Undo::kExact;

  static Inverse none() { return {{}, Undo::kNone}; }
  static Inverse of(Action action, Undo undo = Undo::kExact) {
    Inverse inverse;
    inverse.actions.push_back(std::move(action));
    inverse.undo = undo;
    return inverse;
  }
};

}  // namespace gpunode::provision
