#include "apps/gpunode/live_run.h"

#include <chrono>
#include <utility>

namespace gpunode::cli {
namespace {

constexpr std::chrono::seconds kTick{1};

}  // namespace

LiveRun::LiveRun(provision::RunObserver& run,
                 provision::RollbackObserver& rollback,
                 provision::WorkWatch& work, const WaitingClock& clock)
    : run_(run),
      rollback_(rollback),
      work_(work),
      clock_(clock),
      ticker_([this] { tick_until_ended(); }) {}

LiveRun::~LiveRun() {
  {
    const MutexLock lock(mutex_);
    has_ended_ = true;
    wake_.notify_all();
  }
  ticker_.join();
}

void LiveRun::tick_until_ended() {
  const MutexLock lock(mutex_);
  TimePoint next = clock_.now() + kTick;
  while (!has_ended_) {
    clock_.wait_until(wake_, mutex_, next);
    const TimePoint now = clock_.now();
    if (has_ended_ || now < next) continue;
    work_.tick();
    // From now on, and not from when it was due: nobody wants the missed ones.
    next = now + kTick;
  }
}

void LiveRun::step_started(const provision::PlannedStep& step,
                           std::size_t index, std::size_t count) {
  const MutexLock lock(mutex_);
  run_.step_started(step, index, count);
}

void LiveRun::action_started(const provision::Action& action) {
  const MutexLock lock(mutex_);
  run_.action_started(action);
}

void LiveRun::action_ended(const provision::Action& action,
                           const Result<void>& how) {
  const MutexLock lock(mutex_);
  run_.action_ended(action, how);
}

void LiveRun::step_ended(const provision::PlannedStep& step,
                         const Result<void>& how) {
  const MutexLock lock(mutex_);
  run_.step_ended(step, how);
}

void LiveRun::undoing(const provision::Undoing& one) {
  const MutexLock lock(mutex_);
  rollback_.undoing(one);
}

void LiveRun::undone(const provision::Undoing& one, const Result<void>& how) {
  const MutexLock lock(mutex_);
  rollback_.undone(one, how);
}

void LiveRun::started(const host::Command& command) {
  const MutexLock lock(mutex_);
  work_.started(command);
}

void LiveRun::printed(host::OutputStream stream, std::string_view bytes) {
  const MutexLock lock(mutex_);
  work_.printed(stream, bytes);
}

void LiveRun::copy_started(std::uint64_t total,
                           std::function<std::uint64_t()> copied) {
  const MutexLock lock(mutex_);
  work_.copy_started(total, std::move(copied));
}

void LiveRun::copy_ended() {
  const MutexLock lock(mutex_);
  work_.copy_ended();
}

void LiveRun::tick() {
  const MutexLock lock(mutex_);
  work_.tick();
}

}  // namespace gpunode::cli
