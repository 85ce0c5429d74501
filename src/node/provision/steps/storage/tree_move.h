// What is at a path before its disk is, and what keeps a boot from mounting the
// disk too early.
#pragma once

#include <string>

#include "node/provision/step.h"

namespace gpunode::provision {

/// One entry's data on its way to its disk. Pure.
class TreeMove {
 public:
  explicit TreeMove(StorageSpec entry);

  /// Adds what it wants to know.
  void want(facts::Wanted& wanted) const;

  /// Lines of [Unit] for the mount: it fails while the data has not moved or
  /// the copy is not whole, and so do its users. Fails, not passes over: to
  /// those who require it, a unit whose conditions do not hold is as good as
  /// one that runs.
  std::string guards() const;

  /// While it is not mounted: the move, nothing if nothing is to move, or what
  /// stands in the way.
  StepPlan plan(const PlanInput& input, const std::string& uuid) const;

  /// Adds to `plan` the mark that keeps a boot from mounting before the data
  /// has moved, or takes away one that no move will.
  void plan_mark(const PlanInput& input, const StepPlan& moving,
                 StepPlan& plan) const;

  /// While it is mounted: the mark that says it must not be; empty if none.
  std::string mark_of_mounted(const PlanInput& input) const;

 private:
  bool has_data(const PlanInput& input) const;

  StorageSpec entry_;
  std::string moving_;
  std::string copying_;
  std::string aside_;
};

}  // namespace gpunode::provision
