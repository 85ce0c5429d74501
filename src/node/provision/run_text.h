// A run as a person follows it.
#pragma once

#include <cstdio>
#include <string>

#include "base/console/terminal.h"
#include "base/core/clock.h"
#include "node/provision/executor.h"
#include "node/provision/rollback.h"

namespace gpunode::provision {

/// How long an action usually takes, for a person who waits; 0: no time at all.
unsigned usual_seconds(const Action& action);

/// One line when a Step starts, one for each action when it ended, with the
/// time it took if that was noticeable. On a terminal the running action is
/// shown while it runs.
class RunText final : public RunObserver, public RollbackObserver {
 public:
  /// `out` and `clock` must outlive it.
  RunText(std::FILE* out, console::Terminal terminal, const Clock& clock)
      : out_(out), terminal_(terminal), clock_(clock) {}

  void step_started(const PlannedStep& step, std::size_t index,
                    std::size_t count) override;
  void action_started(const Action& action) override;
  void action_ended(const Action& action, const Result<void>& how) override;
  void step_ended(const PlannedStep& step, const Result<void>& how) override;

  void undoing(const Undoing& one) override;
  void undone(const Undoing& one, const Result<void>& how) override;

 private:
  void say(std::size_t indent, const std::string& text, bool is_good);
  void started(const std::string& words, unsigned usual);
  std::string took() const;

  std::FILE* out_;
  console::Terminal terminal_;
  const Clock& clock_;
  TimePoint start_{};
  bool has_open_line_ = false;
};

}  // namespace gpunode::provision
