// ComputeHistory: what containers have had of GPUs' time as long as they were
// seen, so that people can ask for less.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/plugin/share_keeper.h"
#include "base/core/clock.h"

namespace gpunode::plugin {

/// Of one container and Device, in thousandths of the Device's time.
struct ComputeLife {
  Duration seen{};         ///< Since this agent saw it first.
  std::uint32_t mean = 0;  ///< Over all of that.
  std::uint32_t peak = 0;  ///< In that of the windows that had the most.

  friend bool operator==(const ComputeLife&, const ComputeLife&) = default;
};

/// By allocation id and Device; of who was seen for a window at least.
using ComputeLives = std::map<std::pair<std::string, std::string>, ComputeLife>;

/// In memory alone: another agent begins anew. One thread.
class ComputeHistory {
 public:
  /// As of what a person sees; a shorter one would call every burst a peak.
  static constexpr std::chrono::seconds kWindow{10};

  bool due(TimePoint now) const { return now >= next_; }
  /// Once a window, or later: what went by since the last time is one window.
  /// Who is not among `uses` any more, or was given its grant anew, is
  /// forgotten.
  void note(TimePoint now, const std::vector<ShareUse>& uses);

  ComputeLives lives() const;

 private:
  struct Seen {
    TimePoint since;
    TimePoint last;
    std::uint64_t file = 0;  ///< Of the grant.
    Duration counted{};      ///< The referee's count, the last time.
    Duration used{};         ///< Since `since`.
    double peak = 0;
  };

  std::map<std::pair<std::string, std::string>, Seen> seen_;
  TimePoint next_{};
};

}  // namespace gpunode::plugin
