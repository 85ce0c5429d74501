// What work leaves behind: words that the Device writes, and captures.
#pragma once

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
  /// A word that a stream writes when it gets there.
  struct Write {
    std::uint32_t* to = nullptr;
    std::uint32_t value = 0;
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
  void write(const Write& one) {
    if (is_held) {
      held.push_back(one);
    } else {
      std::atomic_ref(*one.to).store(one.value);
    }
  }
  void hold(bool now) {
    is_held = now;
    if (is_held) return;
    for (const Write& one : held) write(one);
    held.clear();
  }
  /// A context ends: its work is done by then.
  void forget(const Context* context) {
    std::erase_if(held, [&](const Write& one) {
      const auto place = reinterpret_cast<std::uint64_t>(one.to);
      const auto behind = known.upper_bound(place);
      if (behind == known.begin() ||
          std::prev(behind)->second.context != context) {
        return false;
      }
      std::atomic_ref(*one.to).store(one.value);
      return true;
    });
    std::erase_if(
        known, [&](const auto& one) { return one.second.context == context; });
  }

  /// While it is, streams get nowhere: what they would write waits.
  bool is_held = false;
  std::vector<Write> held;
  /// Host memory that contexts know, by its beginning.
  std::map<std::uint64_t, Known> known;
  std::set<abi::CUstream> captured;
};

}  // namespace gpunode::fake_cuda
