#include "agent/plugin/health_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// How often unhealthy Devices are asked whether they are back.
constexpr std::chrono::seconds kProbeInterval{5};

resource::RecoveryRule recovery_rule(const config::Settings& settings) {
  resource::RecoveryRule rule;
  rule.never_recovers = !settings.health_quiet_period.has_value();
  if (settings.health_quiet_period) {
    rule.quiet_period = *settings.health_quiet_period;
  }
  return rule;
}

}  // namespace

HealthWatch::HealthWatch(resource::HealthPolicy policy,
                         const config::Settings& settings)
    : policy_(std::move(policy)), book_(recovery_rule(settings)) {}

void HealthWatch::on_driver(const DriverUp& up, const device::Inventory& known,
                            const Resources& resources, TimePoint now) {
  suspects_.clear();
  for (const device::LostGpu& lost : known.lost) {
    if (lost.id) suspect(*lost.id, lost.reason, resources, now);
  }
  for (const nvml::Unwatched& unwatched : up.unwatched) {
    if (unwatched.is_failure) {
      suspect(unwatched.gpu, unwatched.reason, resources, now);
    } else {
      log::warning("health", "{} reports no health events: {}",
                   unwatched.gpu.value, unwatched.reason);
    }
  }
  schedule(now);
}

void HealthWatch::suspect(const device::DeviceId& gpu,
                          const std::string& reason, const Resources& resources,
                          TimePoint now) {
  suspects_.emplace(gpu, reason);
  for (const auto& resource : resources) {
    for (const resource::Device& device : resource->devices()) {
      if (device.gpu_id != gpu) continue;
      if (book_.on_probe(device.id, false, reason, now)) {
        log::error("health", "{} is unhealthy: {}", device.id.value, reason);
      }
    }
  }
}

bool HealthWatch::is_suspect(const device::DeviceId& id,
                             const Resources& resources) const {
  for (const auto& resource : resources) {
    const std::optional<std::size_t> at = resource->find_device(id.value);
    if (at) return suspects_.contains(resource->devices()[*at].gpu_id);
  }
  return false;
}

bool HealthWatch::on_xid(const device::XidEvent& event, TimePoint now) {
  ++xids_;
  const std::vector<device::DeviceId> changed =
      book_.on_xid(event, policy_, now);
  const std::string where = event.gpu ? event.gpu->value : "an unknown GPU";
  if (!policy_.is_critical(event.xid)) {
    log::info("health", "{} on {}: an application's error, ignored",
              device::describe_xid(event.xid), where);
    return false;
  }
  for (const device::DeviceId& id : changed) {
    log::error("health", "{} is unhealthy: {}", id.value,
               device::describe_xid(event.xid));
  }
  if (changed.empty()) return false;
  schedule(now);
  return true;
}

HealthWatch::Verdict HealthWatch::on_probe(const Probed& probed,
                                           const Resources& resources,
                                           TimePoint now) {
  if (!probed.failure && is_suspect(probed.id, resources)) {
    return Verdict::kDoubtful;
  }
  const bool changed = book_.on_probe(probed.id, !probed.failure,
                                      probed.failure.value_or(""), now);
  if (!changed) return Verdict::kSame;
  if (probed.failure) {
    log::error("health", "{} is unhealthy: {}", probed.id.value,
               *probed.failure);
  } else {
    log::info("health", "{} is healthy again", probed.id.value);
  }
  return Verdict::kChanged;
}

void HealthWatch::schedule(TimePoint now) {
  const std::optional<TimePoint> recovery = book_.next_recovery();
  next_ = recovery
              ? std::optional(std::clamp(*recovery, now, now + kProbeInterval))
              : std::nullopt;
}

std::vector<device::DeviceId> HealthWatch::due(TimePoint now, bool has_driver) {
  if (!next_ || now < *next_) return {};
  std::vector<device::DeviceId> ids = book_.unhealthy();
  next_ = ids.empty() ? std::nullopt : std::optional(now + kProbeInterval);
  if (!has_driver) ids.clear();
  return ids;
}

}  // namespace gpunode::plugin
