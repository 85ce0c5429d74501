// A run that shows that it lives: who follows it is told of time as well.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <thread>

#include "base/core/mutex.h"
#include "base/core/waiting_clock.h"
#include "node/provision/executor.h"
#include "node/provision/rollback.h"
#include "node/provision/work_watch.h"

namespace gpunode::cli {

/// Hands everything on, and ticks each second from a thread of its own, so that
/// what waits in the kernel is seen to wait; never two calls at a time.
class LiveRun final : public provision::RunObserver,
                      public provision::RollbackObserver,
                      public provision::WorkWatch {
 public:
  /// `inner` and `clock` must outlive it.
  template <class Inner>
  LiveRun(Inner& inner, const WaitingClock& clock)
      : LiveRun(inner, inner, inner, clock) {}
  ~LiveRun() override;
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  void step_started(const provision::PlannedStep& step, std::size_t index,
                    std::size_t count) override;
  void action_started(const provision::Action& action) override;
  void action_ended(const provision::Action& action,
                    const Result<void>& how) override;
  void step_ended(const provision::PlannedStep& step,
                  const Result<void>& how) override;
  void undoing(const provision::Undoing& one) override;
  void undone(const provision::Undoing& one, const Result<void>& how) override;
  void started(const host::Command& command) override;
  void printed(host::OutputStream stream, std::string_view bytes) override;
  void copy_started(std::uint64_t total,
                    std::function<std::uint64_t()> copied) override;
  void copy_ended() override;
  void tick() override;

 private:
  LiveRun(provision::RunObserver& run, provision::RollbackObserver& rollback,
          provision::WorkWatch& work, const WaitingClock& clock);
  void tick_until_ended();

  Mutex mutex_;
  std::condition_variable_any wake_;
  bool has_ended_ GUARDED_BY(mutex_) = false;
  provision::RunObserver& run_ GUARDED_BY(mutex_);
  provision::RollbackObserver& rollback_ GUARDED_BY(mutex_);
  provision::WorkWatch& work_ GUARDED_BY(mutex_);
  const WaitingClock& clock_;
  std::thread ticker_;
};

}  // namespace gpunode::cli
