#include "agent/resource/health_book.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gpu/device/inventory.h"

namespace gpunode::resource {

void HealthBook::track(const std::vector<Resource>& resources) {
  std::map<device::DeviceId, Entry> kept;
  for (const Resource& resource : resources) {
    for (const Device& one : resource.devices()) {
      Entry& entry = kept[one.id];
      if (const auto known = entries_.find(one.id); known != entries_.end()) {
        entry = known->second;
      } else if (const auto old = remembered_.extract(one.id)) {
        entry = old.mapped();
      }
      entry.gpu_id = one.gpu_id;
      entry.gpu_instance = one.gpu_instance;
      entry.compute_instance = one.compute_instance;
    }
  }
  for (const auto& [id, entry] : entries_) {
    if (!entry.health.is_healthy && !kept.contains(id)) {
      remembered_.insert_or_assign(id, entry);
    }
  }
  entries_ = std::move(kept);
}

bool HealthBook::concerns(const device::XidEvent& event, const Entry& entry) {
  device::Gpu gpu;
  gpu.id = entry.gpu_id;
  if (!entry.gpu_instance || !entry.compute_instance) {
    return device::concerns(event, gpu);
  }
  device::MigDevice mig;
  mig.gpu_instance = *entry.gpu_instance;
  mig.compute_instance = *entry.compute_instance;
  return device::concerns(event, gpu, mig);
}

std::vector<device::DeviceId> HealthBook::on_xid(const device::XidEvent& event,
                                                 const HealthPolicy& policy,
                                                 TimePoint now) {
  std::vector<device::DeviceId> changed;
  if (!policy.is_critical(event.xid)) return changed;
  const std::string reason = device::describe_xid(event.xid);
  for (auto& [id, entry] : entries_) {
    if (concerns(event, entry) && fail(entry, reason, now)) {
      changed.push_back(id);
    }
  }
  return changed;
}

bool HealthBook::on_probe(const device::DeviceId& id, bool answers,
                          std::string_view reason, TimePoint now) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return false;
  Entry& entry = found->second;
  if (!answers) return fail(entry, reason, now);
  if (entry.health.is_healthy || rule_.never_recovers ||
      now - entry.last_trouble < quiet_period(entry)) {
    return false;
  }
  entry.health = {};
  return true;
}

/// Trouble while unhealthy restarts the quiet period but is no new failure:
/// one broken Device reports many XIDs.
bool HealthBook::fail(Entry& entry, std::string_view reason,
                      TimePoint now) const {
  const bool was_healthy = entry.health.is_healthy;
  if (was_healthy) {
    const bool is_forgiven =
        entry.failures > 0 && now - entry.last_trouble >= rule_.forgiveness;
    entry.failures = is_forgiven ? 1 : entry.failures + 1;
    entry.health = {false, std::string(reason)};
    entry.unhealthy_since = now;
  }
  entry.last_trouble = now;
  return was_healthy;
}

Duration HealthBook::quiet_period(const Entry& entry) const {
  Duration period = rule_.quiet_period;
  for (unsigned n = 1;
       n < entry.failures && period < rule_.longest_quiet_period; ++n) {
    period *= 2;
  }
  return std::min(period, rule_.longest_quiet_period);
}

device::Health HealthBook::health(const device::DeviceId& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? device::Health{} : found->second.health;
}

std::optional<TimePoint> HealthBook::unhealthy_since(
    const device::DeviceId& id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.health.is_healthy) {
    return std::nullopt;
  }
  return found->second.unhealthy_since;
}

std::vector<device::DeviceId> HealthBook::unhealthy() const {
  std::vector<device::DeviceId> ids;
  for (const auto& [id, entry] : entries_) {
    if (!entry.health.is_healthy) ids.push_back(id);
  }
  return ids;
}

std::optional<TimePoint> HealthBook::next_recovery() const {
  std::optional<TimePoint> first;
  if (rule_.never_recovers) return first;
  for (const auto& [id, entry] : entries_) {
    if (entry.health.is_healthy) continue;
    const TimePoint due = entry.last_trouble + quiet_period(entry);
    if (!first || due < *first) first = due;
  }
  return first;
}

}  // namespace gpunode::resource
