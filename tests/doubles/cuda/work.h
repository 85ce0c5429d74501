// What work leaves behind: words that the Device writes and waits for, and
// captures.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include "gpu/abi/cuda.h"

namespace gpunode::fake_cuda {

struct Context;

struct Work {
  /// What a stream comes to: a word that it writes, or one that it waits for.
  struct Step {
    abi::CUstream stream = nullptr;
    bool is_wait = false;
    std::uint32_t* word = nullptr;
    std::uint32_t value = 0;

    bool is_over() const {
      // Up to 2^31 beyond.
      return std::atomic_ref(*word).load() - value < std::uint32_t{1} << 31U;
    }
  };

  /// Host memory that a context was told of.
  struct Known {
    std::uint64_t bytes = 0;
    const Context* context = nullptr;
  };

  bool knows(std::uint64_t address) const {
    const auto behind = known.upper_bound(address);
    if (behind == known.begin()) return false;
    const auto& [begin, one] = *std::prev(behind);
    return address - begin < one.bytes;
  }
  void add(const Step& step) {
    steps.push_back(step);
    settle();
  }
  void hold(bool now) {
    is_held = now;
    settle();
  }
  /// Streams go on as far as they come.
  void settle() {
    std::set<abi::CUstream> stopped;
    std::erase_if(steps, [&](const Step& step) {
      const bool goes_on = !stopped.contains(step.stream) &&
                           (step.is_wait ? step.is_over() : !is_held);
      if (!goes_on) {
        stopped.insert(step.stream);
        return false;
      }
      if (!step.is_wait) std::atomic_ref(*step.word).store(step.value);
      return true;
    });
  }
  /// The stream, or any, waits for a word.
  bool waits(abi::CUstream stream, bool is_any) const {
    return std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
      return step.is_wait && (is_any || step.stream == stream);
    });
  }
  /// By who made its word known.
  bool is_of(const Step& step, const Context* context) const {
    const auto place = reinterpret_cast<std::uint64_t>(step.word);
    const auto behind = known.upper_bound(place);
    return behind != known.begin() &&
           std::prev(behind)->second.context == context;
  }
  /// A context has failed: what its streams had yet to come to never is.
  void drop(const Context* context) {
    std::erase_if(steps, [&](const Step& one) { return is_of(one, context); });
  }
  /// A context ends: its work is done by then.
  void forget(const Context* context) {
    std::erase_if(steps, [&](const Step& one) {
      if (!is_of(one, context)) return false;
      if (!one.is_wait) std::atomic_ref(*one.word).store(one.value);
      return true;
    });
    std::erase_if(
        known, [&](const auto& one) { return one.second.context == context; });
  }

  /// While it is, streams get nowhere: what they would write waits.
  bool is_held = false;
  std::vector<Step> steps;  ///< That streams have yet to come to.
  /// Host memory that contexts know, by its beginning.
  std::map<std::uint64_t, Known> known;
  std::set<abi::CUstream> captured;
};

}  // namespace gpunode::fake_cuda
