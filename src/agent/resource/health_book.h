// HealthBook: which Devices may be given to containers right now, and when an
// unhealthy one may be again.
//
// NVIDIA's plugin marks one random Replica of a Device, for ever. Here Health
// belongs to the Device, so that every Replica has it, and comes back: after a
// quiet period in which the Device answered and no critical XID came. A
// Device that keeps failing has to stay quiet twice as long each time.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/resource/health_policy.h"
#include "agent/resource/resource.h"
#include "base/core/clock.h"
#include "gpu/device/health.h"
#include "gpu/device/identity.h"

namespace gpunode::resource {

/// When an unhealthy Device is trusted again.
struct RecoveryRule {
  Duration quiet_period = std::chrono::minutes(1);
  /// The quiet period doubles with each failure, up to this.
  Duration longest_quiet_period = std::chrono::hours(1);
  /// After this long without a failure the quiet period is the first again.
  Duration forgiveness = std::chrono::hours(6);
  /// True: as NVIDIA's plugin, unhealthy until the agent starts anew.
  bool never_recovers = false;
};

/// Keyed by DeviceId, so it outlives a reload: track() the new Resources and
/// what is known of Devices that stay is kept. Time is an argument and must
/// not go backwards. One thread at a time.
class HealthBook {
 public:
  explicit HealthBook(RecoveryRule rule = {}) : rule_(rule) {}

  /// Follows exactly the Devices of `resources` from now on. New ones start
  /// healthy. Of those that are no longer there only trouble is remembered: a
  /// configuration that leaves a Device out and one that brings it back do not
  /// mend it.
  void track(const std::vector<Resource>& resources);

  /// Marks every Device that `event` concerns, if `policy` says it counts: all
  /// when the event names no GPU, none when it names one that is not tracked;
  /// on a MIG GPU those of the named instances. Returns the Devices whose
  /// Health changed.
  std::vector<device::DeviceId> on_xid(const device::XidEvent& event,
                                       const HealthPolicy& policy,
                                       TimePoint now);

  /// Records whether `id` answered when asked. Not answering makes it
  /// unhealthy for `reason`; answering makes it healthy again once its quiet
  /// period is over. Returns true if its Health changed; unknown ids are
  /// ignored.
  bool on_probe(const device::DeviceId& id, bool answers,
                std::string_view reason, TimePoint now);

  /// Healthy for ids that are not tracked.
  device::Health health(const device::DeviceId& id) const;

  /// When `id` became unhealthy; absent for one that is not, or not tracked.
  std::optional<TimePoint> unhealthy_since(const device::DeviceId& id) const;

  /// Every unhealthy Device: who to probe.
  std::vector<device::DeviceId> unhealthy() const;

  /// When the first unhealthy Device may recover, if it answers then; absent
  /// when there is nothing to wait for. A moment in the past means: probe now.
  std::optional<TimePoint> next_recovery() const;

 private:
  struct Entry {
    device::DeviceId gpu_id;
    std::optional<unsigned> gpu_instance;
    std::optional<unsigned> compute_instance;
    device::Health health;
    TimePoint last_trouble;
    TimePoint unhealthy_since{};  ///< Means nothing while healthy.
    unsigned failures = 0;        ///< In a row, without forgiveness between.
  };

  static bool concerns(const device::XidEvent& event, const Entry& entry);
  bool fail(Entry& entry, std::string_view reason, TimePoint now) const;
  Duration quiet_period(const Entry& entry) const;

  RecoveryRule rule_;
  std::map<device::DeviceId, Entry> entries_;
  std::map<device::DeviceId, Entry> remembered_;  ///< Unhealthy, not tracked.
};

}  // namespace gpunode::resource
