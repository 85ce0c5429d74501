// A run as programs follow it: one JSON object a line.
#pragma once

#include <functional>
#include <string>

#include "node/provision/executor.h"
#include "node/provision/plan.h"
#include "node/provision/rollback.h"

namespace gpunode::provision {

/// Writes events (docs/formats/plan.md) through `write`, a line with its
/// newline each.
class RunJson final : public RunObserver, public RollbackObserver {
 public:
  explicit RunJson(std::function<void(const std::string&)> write)
      : write_(std::move(write)) {}

  void plan(const Plan& plan);
  void outcome(const RunOutcome& outcome);

  void step_started(const PlannedStep& step, std::size_t index,
                    std::size_t count) override;
  void action_started(const Action& action) override;
  void action_ended(const Action& action, const Result<void>& how) override;
  void step_ended(const PlannedStep& step, const Result<void>& how) override;
  void undoing(const Undoing& one) override;
  void undone(const Undoing& one, const Result<void>& how) override;

 private:
  std::function<void(const std::string&)> write_;
};

/// "done", "failed", "verification-failed", "reboot-needed", "interrupted".
const char* end_name(RunEnd end);

}  // namespace gpunode::provision
