// What containers had of GPUs' time from one look to the next.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "apps/gpunode/top/snapshot.h"
#include "base/core/clock.h"

namespace gpunode::top {

/// Pure but for what it remembers of the look before. One thread at a time.
class Lately {
 public:
  /// Says of each holder in turns what it had since the look before; of who was
  /// not there, or whom another agent counts now, nothing. `now`: when that was
  /// counted; the same again says the same.
  void note(TimePoint now, Snapshot& snapshot);

 private:
  struct Before {
    TimePoint at;
    double gpu_seconds = 0;
    double throttled_seconds = 0;
    std::optional<std::uint64_t> lately = {};
    std::optional<std::uint64_t> throttled_lately = {};
  };
  std::map<std::pair<std::string, std::string>, Before> before_;
};

}  // namespace gpunode::top
