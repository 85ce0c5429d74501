// A run as a person follows it.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "base/console/live_area.h"
#include "base/console/output_tail.h"
#include "base/console/terminal.h"
#include "base/core/clock.h"
#include "node/provision/executor.h"
#include "node/provision/rollback.h"
#include "node/provision/run_status.h"
#include "node/provision/work_watch.h"

namespace gpunode::provision {

/// One line when a Step starts, one for each action when it ended, with the
/// time it took if that was noticeable. While an action runs, a terminal shows
/// how long it does and the last lines of what its program prints; where
/// nothing can be drawn over, a line now and then shows that it goes on. Of an
/// action that failed the last lines stay. One thread at a time.
class RunText final : public RunObserver,
                      public RollbackObserver,
                      public WorkWatch {
 public:
  /// `look` says what `out` is by now: people resize their terminals. `out` and
  /// `clock` must outlive it.
  RunText(std::FILE* out, std::function<console::Terminal()> look,
          const Clock& clock)
      : out_(out),
        look_(std::move(look)),
        clock_(clock),
        area_(out),
        status_(clock) {}

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
  void say(std::size_t indent, const std::string& text, console::Style style);
  void start(const std::string& words, unsigned usual);
  void end(std::size_t indent, const std::string& text, bool is_good);
  void draw(const console::Terminal& terminal);
  std::string took() const;

  std::FILE* out_;
  std::function<console::Terminal()> look_;
  const Clock& clock_;
  console::LiveArea area_;
  console::OutputTail tail_;
  RunStatus status_;
  TimePoint drawn_{};
  TimePoint said_{};
  std::size_t actions_ = 0;  ///< Of the Step.
};

}  // namespace gpunode::provision
