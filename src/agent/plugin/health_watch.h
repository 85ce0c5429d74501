// HealthWatch: which Devices may be given away, by what the driver tells.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/settings.h"
#include "agent/plugin/catalogue.h"
#include "agent/plugin/observer.h"
#include "agent/resource/health_book.h"
#include "agent/resource/health_policy.h"
#include "base/core/clock.h"

namespace gpunode::plugin {

/// Keeps the HealthBook by what the Observer saw, logs what changes, and knows
/// when to probe. Asking itself is the Observer's. One thread at a time.
class HealthWatch {
 public:
  HealthWatch(resource::HealthPolicy policy, const config::Settings& settings);

  /// Follows the Devices of `resources` from now on (HealthBook::track).
  void track(const std::vector<resource::Resource>& resources) {
    book_.track(resources);
  }

  /// Of `resources`, those whose GPU is lost or cannot be watched are unhealthy
  /// until the driver describes it again.
  void on_driver(const DriverUp& up, const device::Inventory& known,
                 const Resources& resources, TimePoint now);

  /// True if that changes what is offered.
  bool on_xid(const device::XidEvent& event, TimePoint now);

  /// What an answer to a probe means.
  enum class Verdict {
    kSame,
    kChanged,
    /// It answers, but the driver could not describe or watch its GPU when last
    /// asked: ask the driver again before it is given to anybody.
    kDoubtful
  };
  Verdict on_probe(const Probed& probed, const Resources& resources,
                   TimePoint now);

  /// Whom to probe now; empty before the time has come and, without a driver,
  /// for ever.
  std::vector<device::DeviceId> due(TimePoint now, bool has_driver);
  /// When somebody is to be probed; absent if nobody is.
  std::optional<TimePoint> next() const { return next_; }

  const resource::HealthBook& book() const { return book_; }
  std::uint64_t xids() const { return xids_; }

 private:
  void suspect(const device::DeviceId& gpu, const std::string& reason,
               const Resources& resources, TimePoint now);
  bool is_suspect(const device::DeviceId& id, const Resources& resources) const;
  void schedule(TimePoint now);

  resource::HealthPolicy policy_;
  resource::HealthBook book_;
  std::map<device::DeviceId, std::string> suspects_;  // GPU → why.
  std::optional<TimePoint> next_;
  std::uint64_t xids_ = 0;
};

}  // namespace gpunode::plugin
