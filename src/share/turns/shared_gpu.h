// A simulated GPU and what shares it, in a few words: for tests.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "share/turns/simulated_gpu.h"
#include "share/turns/turn_book.h"

namespace gpunode::share {

inline constexpr TurnPolicy kPolicies[] = {
    TurnPolicy::kFair, TurnPolicy::kBurst, TurnPolicy::kHard};

struct Load {
  double part;
  SimulatedProgram program;
  std::int32_t priority = 0;
};

inline SimulatedProgram busy(Duration kernel) {
  return {.kernel = kernel};
}

inline SimulatedProgram bursts(
    Duration burst, Duration period,
    Duration kernel = std::chrono::microseconds(200)) {
  return {.kernel = kernel, .burst = burst, .period = period};
}

/// It launches as fast as it can, and that is what the GPU does in `load` of
/// the time.
inline SimulatedProgram slow_to_launch(double load, Duration hold) {
  const Duration kernel = std::chrono::microseconds(5);
  return {.kernel = kernel,
          .hold = hold,
          .launch_cost = std::chrono::duration_cast<Duration>(kernel / load)};
}

inline double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// A book and a GPU with one container for each load, named 0, 1, …
class SharedGpu {
 public:
  explicit SharedGpu(const std::vector<Load>& loads,
                     TurnPolicy policy = TurnPolicy::kFair)
      : count_(loads.size()) {
    book.set_policy(policy);
    for (unsigned key = 0; key < loads.size(); ++key) {
      gpu.add(key, loads[key].part, loads[key].program);
      book.set(key, loads[key].part, loads[key].priority);
    }
  }

  /// Percent of `length` that each one's kernels run, from now on.
  std::vector<double> shares(Duration length) {
    std::vector<Duration> before;
    for (unsigned key = 0; key < count_; ++key) before.push_back(gpu.done(key));
    gpu.run(length);
    std::vector<double> shares;
    for (unsigned key = 0; key < count_; ++key) {
      shares.push_back(100 * in_seconds(gpu.done(key) - before[key]) /
                       in_seconds(length));
    }
    return shares;
  }

  TurnBook book;
  SimulatedGpu gpu{book};

 private:
  std::size_t count_;
};

}  // namespace gpunode::share
