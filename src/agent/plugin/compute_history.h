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
#include "share/grants/grant_files.h"
#include "share/turns/turn_lives.h"

namespace gpunode::plugin {

/// Of one container and Device, in thousandths of the Device's time.
struct ComputeLife {
  Duration seen{};         ///< For so long an agent has watched.
  std::uint32_t mean = 0;  ///< Over all of that.
  std::uint32_t peak = 0;  ///< In that of the windows that had the most.

  friend bool operator==(const ComputeLife&, const ComputeLife&) = default;
};

/// By allocation id and Device; of who was seen for a window at least.
using ComputeLives = std::map<std::pair<std::string, std::string>, ComputeLife>;

/// A referee counts from 0, and ends with the agent or with the last one who
/// takes turns: what was before is remembered here, and by save() for the next
/// agent. Whose grant has gone, or was given anew, is forgotten; that it is
/// not among the uses, or could not be looked at, says nothing. One thread.
class ComputeHistory {
 public:
  /// As of what a person sees; a shorter one would call every burst a peak.
  static constexpr std::chrono::seconds kWindow{10};

  explicit ComputeHistory(share::GrantFiles files) : files_(std::move(files)) {}

  /// Makes the counts of turns those since the grant was made. The first time,
  /// of each grant, what agents before have kept is read.
  void complete(std::vector<ShareUse>* uses);

  bool due(TimePoint now) const { return now >= next_; }
  /// Of complete() uses. Once a window, or later: what went by since the last
  /// time is one window.
  void note(TimePoint now, const std::vector<ShareUse>& uses);

  /// Keeps what has changed since. Whatever is shown as a sum is to be kept
  /// before: one that is less after an agent was killed would be taken for one
  /// that began at 0.
  void save();

  ComputeLives lives() const;

 private:
  struct OfDevice {
    share::TurnLife before;   ///< What the referee's counts do not have.
    share::TurnUse counted;   ///< The referee's, the last time.
    bool is_watched = false;  ///< What follows is of a window before.
    TimePoint last;
    Duration used{};  ///< In all, then.
    Duration seen{};
    Duration used_seen{};
    double peak = 0;
  };
  struct OfGrant {
    std::uint64_t file = 0;
    std::map<std::string, OfDevice> devices;
    share::TurnLives kept;
  };

  OfGrant begin(const ShareUse& share) const;
  bool is_there(const std::string& id, const OfGrant& grant) const;
  static share::TurnLives lives_of(const OfGrant& grant);

  const share::GrantFiles files_;
  std::map<std::string, OfGrant> grants_;  // By allocation id.
  std::string told_;                       // Why the last save() has failed.
  TimePoint next_{};
};

}  // namespace gpunode::plugin
