// A run as programs follow it: one JSON object a line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/console/output_tail.h"
#include "base/core/clock.h"
#include "node/provision/conffiles_left.h"
#include "node/provision/executor.h"
#include "node/provision/package_forecast.h"
#include "node/provision/plan.h"
#include "node/provision/rollback.h"
#include "node/provision/run_status.h"
#include "node/provision/work_watch.h"

namespace gpunode::provision {

/// Writes events (docs/formats/plan.md) through `write`, a line with its
/// newline each.
class RunJson final : public RunObserver,
                      public RollbackObserver,
                      public WorkWatch {
 public:
  /// `clock`, which must outlive it, is asked how long an action takes.
  RunJson(std::function<void(const std::string&)> write, const Clock& clock)
      : write_(std::move(write)), clock_(clock), status_(clock) {}

  void plan(const Plan& plan, const PackageForecasts& forecasts = {});
  void outcome(const RunOutcome& outcome);
  /// Nothing of the plan is done: the Steps that keep it from that.
  void refused(const Plan& plan, const PackageForecasts& forecasts,
               int exit_code);
  /// What a rollback would undo and leave, the latest first.
  void rollback(const std::vector<Undoing>& plan);
  /// What dpkg keeps of the packages that were removed.
  void left(const std::vector<LeftConffiles>& packages);

  void step_started(const PlannedStep& step, std::size_t index,
                    std::size_t count) override;
  void action_started(const Action& action) override;
  void action_ended(const Action& action, const Result<void>& how) override;
  void step_ended(const PlannedStep& step, const Result<void>& how) override;
  void undoing(const Undoing& one) override;
  void undone(const Undoing& one, const Result<void>& how) override;

  void started(const host::Command& command) override;
  void printed(host::OutputStream stream, std::string_view bytes) override;
  void copy_started(std::uint64_t total,
                    std::function<std::uint64_t()> copied) override;
  void copy_ended() override { status_.copy_ended(); }
  void tick() override;

 private:
  void output(const char* stream, const std::vector<std::string>& lines);
  void flush();
  void end();

  std::function<void(const std::string&)> write_;
  const Clock& clock_;
  RunStatus status_;
  console::OutputTail tail_;
  TimePoint ticked_{};
};

/// One object a line: why nothing came of what was asked, with what next.
std::string error_line(std::string_view message, int exit_code);

/// "done", "failed", "verification-failed", "more-to-do", "reboot-needed",
/// "not-as-planned", "interrupted".
const char* end_name(RunEnd end);

}  // namespace gpunode::provision
