#include "share/turns/simulated_gpu.h"

#include <algorithm>
#include <utility>

namespace gpunode::share {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kPiece{500};
/// Of work, where others want the GPU.
constexpr microseconds kUnderWay{1500};
/// Launches without a fence behind them, at most.
constexpr Duration::rep kUnfenced = 32;
constexpr milliseconds kSlice{2};
constexpr microseconds kSwitch{100};
constexpr microseconds kWakes{50};
constexpr Duration kForEver = std::chrono::hours(24 * 365);

Duration piece_of(const SimulatedProgram& program) {
  if (program.launch_cost > Duration{}) return program.kernel;
  return program.kernel *
         std::max<std::int64_t>(1, Duration(kPiece) / program.kernel);
}

}  // namespace

void SimulatedGpu::add(Key key, double part, SimulatedProgram program) {
  book_.set(key, part);
  change(key, std::move(program));
}

void SimulatedGpu::change(Key key, SimulatedProgram program) {
  Container& container = containers_[key];
  container.program = std::move(program);
  container.todo = container.program.burst;
  container.burst_began = now_;
  container.next_burst.reset();
}

void SimulatedGpu::remove(Key key) {
  book_.remove(key);
  containers_.erase(key);
  looks_.erase(key);
  if (on_gpu_ == key) on_gpu_.reset();
  if (turn_.open == key) turn_.open.reset();
  is_rung_ = true;
}

Duration SimulatedGpu::longest_wait(Key key) const {
  const Container& container = containers_.at(key);
  return container.waits
             ? std::max(container.longest_wait, now_ - container.waits_since)
             : container.longest_wait;
}

void SimulatedGpu::forget_waits() {
  for (auto& [key, container] : containers_) {
    container.longest_wait = Duration{};
    container.waits_since = now_;
  }
}

void SimulatedGpu::run(Duration length) {
  const Duration end = now_ + length;
  while (now_ < end) {
    for (auto& [key, container] : containers_) act(key, container);
    if (is_rung_ || (wake_ && now_ >= *wake_)) {
      step();
      continue;
    }
    choose_context();
    work(next_event(end));
  }
}

/// What the process does at this moment.
void SimulatedGpu::act(Key key, Container& container) {
  const SimulatedProgram& program = container.program;
  if (container.next_burst && now_ >= *container.next_burst) {
    container.next_burst.reset();
    container.todo = program.burst;
    container.burst_began = now_;
  }
  const bool is_open = turn_.open == key;
  wake(container, is_open);
  while (now_ >= container.launches_from && !container.waits) {
    const std::optional<Duration> piece = next_piece(container);
    if (!piece) return;
    // What came before is let in first.
    const bool goes = is_open && !container.wakes;
    if (!goes && container.held.empty()) {
      container.waits_since = now_;
      is_rung_ = true;
    }
    if (!goes && !may_be_held(container, *piece)) {
      container.waits = true;
      return;
    }
    launch(container, *piece, goes);
  }
}

/// Lets in what is held, if it is its turn.
void SimulatedGpu::wake(Container& container, bool is_open) {
  if (!container.wakes || now_ < *container.wakes) return;
  container.wakes.reset();
  if (!is_open || container.program.is_dead) return;
  container.waits = false;
  container.longest_wait =
      std::max(container.longest_wait, now_ - container.waits_since);
  let_in(container);
}

/// What the process would launch now, were it its turn.
std::optional<Duration> SimulatedGpu::next_piece(Container& container) const {
  const SimulatedProgram& program = container.program;
  if (container.next_burst) return std::nullopt;
  if (program.is_persistent &&
      (container.launches != 0 || !container.held.empty()))
    return std::nullopt;
  const bool is_endless = program.burst == Duration{};
  if (!is_endless && container.todo == Duration{}) {
    if (!container.pieces.empty() || !container.held.empty()) {
      return std::nullopt;
    }
    ++container.bursts;
    container.next_burst =
        std::max(now_, container.burst_began + program.period);
    return std::nullopt;
  }
  Duration piece = piece_of(program);
  if (!is_endless) piece = std::min(piece, container.todo);
  if (container.held.empty() && !may_run_ahead(container, piece)) {
    return std::nullopt;
  }
  return piece;
}

bool SimulatedGpu::may_run_ahead(const Container& container,
                                 Duration piece) const {
  if (container.pieces.empty()) return true;
  if (!turn_.is_contended) {
    return container.under_way + piece <= container.program.run_ahead;
  }
  return container.under_way + piece <= kUnderWay;
}

bool SimulatedGpu::may_be_held(const Container& container,
                               Duration piece) const {
  return !container.program.is_dead &&
         (container.held.empty() ||
          container.held_work + piece <= container.program.hold);
}

void SimulatedGpu::launch(Container& container, Duration piece, bool goes) {
  const SimulatedProgram& program = container.program;
  const std::int64_t kernels =
      std::max<std::int64_t>(1, piece / program.kernel);
  container.launches_from = now_ + kernels * program.launch_cost;
  const Duration fence_after =
      program.launch_cost == Duration{}
          ? std::min(piece_of(program), Duration(kPiece))
          : std::min<Duration>(kPiece, kUnfenced * program.kernel);
  const bool has_fence =
      program.is_persistent || container.unfenced + piece >= fence_after;
  const Duration length = program.is_persistent ? kForEver : piece;
  container.held.push_back({length, kernels, has_fence});
  container.held_work += length;
  container.unfenced = has_fence ? Duration{} : container.unfenced + piece;
  if (program.burst != Duration{}) container.todo -= piece;
  if (goes) let_in(container);
}

void SimulatedGpu::let_in(Container& container) {
  for (const Piece& piece : container.held) {
    container.pieces.push_back(piece);
    container.launches += static_cast<std::uint64_t>(piece.kernels);
    container.fenced += piece.has_fence ? 1 : 0;
  }
  container.under_way += container.held_work;
  container.held.clear();
  container.held_work = Duration{};
}

/// What the node does when it is rung, or wakes.
void SimulatedGpu::step() {
  is_rung_ = false;
  ++steps_;
  for (const auto& [key, container] : containers_) {
    TurnLook& look = looks_[key];
    look.wants = container.waits || !container.held.empty();
    look.is_busy = container.passed != container.fenced;
    look.has_tail = container.unfenced != Duration{};
    look.tail = container.unfenced;
    look.launches = container.launches;
    look.passed = container.passed;
    if (container.program.lie) container.program.lie(look);
  }
  const TimePoint now = TimePoint(std::chrono::hours(1)) + now_ + jumped_;
  turn_ = book_.step(now, looks_);
  wake_.reset();
  if (turn_.wake) wake_ = now_ + (*turn_.wake - now);
  if (!turn_.open) return;
  Container& opened = containers_.at(*turn_.open);
  const bool waits = opened.waits || !opened.held.empty();
  if (waits && !opened.wakes) opened.wakes = now_ + kWakes;
}

void SimulatedGpu::choose_context() {
  const auto has_work = [&](Key key) {
    return !containers_.at(key).pieces.empty();
  };
  if (on_gpu_ && has_work(*on_gpu_) && slice_ > Duration{}) return;
  // The next one with work, after the one whose slice is over.
  auto next = on_gpu_ ? containers_.upper_bound(*on_gpu_) : containers_.begin();
  for (std::size_t i = 0; i < containers_.size(); ++i) {
    if (next == containers_.end()) next = containers_.begin();
    if (has_work(next->first)) {
      if (on_gpu_ != next->first) switching_ = kSwitch;
      on_gpu_ = next->first;
      slice_ = kSlice;
      return;
    }
    ++next;
  }
}

Duration SimulatedGpu::next_event(Duration end) const {
  Duration next = end;
  if (wake_) next = std::min(next, *wake_);
  for (const auto& [key, container] : containers_) {
    if (container.next_burst) next = std::min(next, *container.next_burst);
    if (container.wakes) next = std::min(next, *container.wakes);
    if (container.launches_from > now_) {
      next = std::min(next, container.launches_from);
    }
  }
  if (on_gpu_ && !containers_.at(*on_gpu_).pieces.empty()) {
    const Duration piece = containers_.at(*on_gpu_).pieces.front().left;
    next = std::min(next, now_ + switching_ + std::min(slice_, piece));
  }
  return std::max(next, now_);
}

void SimulatedGpu::work(Duration until) {
  Duration passed = until - now_;
  now_ = until;
  if (!on_gpu_) return;
  Container& container = containers_.at(*on_gpu_);
  if (container.pieces.empty()) return;
  busy_ += passed;
  const Duration lost = std::min(passed, switching_);
  switching_ -= lost;
  passed -= lost;
  slice_ -= passed;
  container.done += passed;
  container.under_way -= passed;
  Piece& piece = container.pieces.front();
  piece.left -= passed;
  if (piece.left > Duration{}) return;
  if (piece.has_fence) ++container.passed;
  container.pieces.pop_front();
}

}  // namespace gpunode::share
