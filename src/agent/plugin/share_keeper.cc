#include "agent/plugin/share_keeper.h"

#include <algorithm>
#include <utility>

#include "agent/plugin/resource_handler.h"
#include "agent/resource/allocation.h"
#include "agent/resource/allocation_id.h"
#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// A container that is started anew must not find its share taken by those who
/// ended; an engine takes longer than this to start one.
constexpr std::chrono::milliseconds kLook{500};
constexpr std::chrono::seconds kQuery{10};
/// While there is a grant of a Pod that is not known yet.
constexpr std::chrono::seconds kSoon{1};

}  // namespace

bool ShareKeeper::due(TimePoint now, bool is_sharing,
                      const Resources& resources) {
  bool has_changed = false;
  for (Holders& answer : query_.take()) {
    take(std::move(answer), resources, now);
    has_changed = true;
  }
  // Without shares there is nobody new.
  const bool is_idle = !is_sharing && !next_ && has_looked_;
  if (is_idle || (next_ && now < *next_)) return has_changed;
  has_looked_ = true;
  watch_.step();
  tell_unlimited();
  keep_turns();
  if (!is_sharing && watch_.looks().empty()) {
    next_.reset();
    return has_changed;
  }
  next_ = now + kLook;
  const bool has_strangers =
      std::ranges::any_of(watch_.looks(), [&](const auto& one) {
        return holder_of(one.first, one.second) == nullptr;
      });
  if (!asked_ || now - *asked_ >= (has_strangers ? kSoon : kQuery)) ask(now);
  return has_changed;
}

void ShareKeeper::ask(TimePoint now) {
  asked_ = now;
  if (!query_.start()) return;
  asked_files_.clear();
  for (const auto& [id, look] : watch_.looks()) {
    asked_files_.emplace(id, look.file);
  }
}

const Holder* ShareKeeper::holder_of(const std::string& id,
                                     const share::GrantLook& look) const {
  const auto bound = bound_.find(id);
  const bool is_known =
      bound != bound_.end() && bound->second.file == look.file;
  return is_known ? &bound->second.holder : nullptr;
}

void ShareKeeper::take(Holders holders, const Resources& resources,
                       TimePoint now) {
  if (holders.source == Holders::Source::kNone) {
    holders_.problem = holders.problem;
    return;
  }
  is_heard_ = true;
  bound_.clear();
  const auto bind = [&](const Holder& holder) {
    const std::string id = resource::allocation_id(holder.resource, holder.ids);
    const auto file = asked_files_.find(id);
    Bound bound{holder, file == asked_files_.end() ? 0 : file->second};
    // The API's word, which has names, comes first.
    if (bound_.emplace(id, std::move(bound)).second) {
      make_again(holder, id, resources);
    }
    unheld_since_.erase(id);
  };
  std::ranges::for_each(holders.items, bind);
  if (holders.recorded) std::ranges::for_each(*holders.recorded, bind);
  const bool may_remove = holders.source == Holders::Source::kPodResources &&
                          holders.recorded.has_value();
  holders_ = std::move(holders);
  if (may_remove) remove_ended(now);
}

void ShareKeeper::make_again(const Holder& holder, const std::string& id,
                             const Resources& resources) const {
  const auto resource = std::ranges::find_if(resources, [&](const auto& one) {
    return one->name().value() == holder.resource && one->is_limiting();
  });
  if (resource == resources.end()) return;
  // By ids of another configuration nothing can be made again; what is there
  // of it stays.
  const auto allocation = resource::allocate(**resource, holder.ids,
                                             config::DeviceIdStrategy::kUuid);
  if (!allocation || allocation->limits.empty()) return;
  const share::Grant grant = grant_of(**resource, *allocation, id);
  const auto kept = watch_.files().keep(grant);
  if (!kept) {
    log::warning("shares", "{}", kept.error().message());
    return;
  }
  keep_time(grant);
}

/// The policy is that of the settings of now. A part is what was granted, or
/// was changed since; it begins and ends with turns.
void ShareKeeper::keep_time(const share::Grant& grant) const {
  const auto look = watch_.looks().find(grant.id);
  if (look == watch_.looks().end()) return;
  for (const share::GrantedDevice& device : grant.devices) {
    for (const share::DeviceHeld& held : look->second.devices) {
      if (held.uuid != device.uuid) continue;
      share::TimePart time = device.time;
      if (time.thousandths > 0 && held.time.thousandths > 0) {
        time.thousandths = held.time.thousandths;
      }
      if (time == held.time) continue;
      const auto set = watch_.files().set_time(grant.id, device.uuid, time);
      if (!set) log::warning("shares", "{}", set.error().message());
    }
  }
}

/// Turns are given while anybody has a part of a Device's time. With the
/// referee goes every wait for a turn.
void ShareKeeper::keep_turns() {
  const bool takes_turns =
      std::ranges::any_of(watch_.looks(), [](const auto& one) {
        return std::ranges::any_of(one.second.devices,
                                   [](const share::DeviceHeld& held) {
                                     return held.time.thousandths > 0;
                                   });
      });
  if (!takes_turns) {
    referee_.reset();
  } else if (referee_ == nullptr) {
    referee_ = std::make_unique<share::Referee>(watch_.files());
  } else {
    referee_->refresh();
  }
}

void ShareKeeper::tell_unlimited() {
  std::set<std::string> unlimited;
  for (const auto& [id, look] : watch_.looks()) {
    if (look.why_unlimited.empty()) continue;
    unlimited.insert(id);
    if (told_unlimited_.contains(id)) continue;
    log::warning("shares",
                 "the container of allocation {} runs without its limit, as "
                 "onUnsupported: unlimited says: {} (docs/sharing.md)",
                 id, look.why_unlimited);
  }
  told_unlimited_ = std::move(unlimited);
}

void ShareKeeper::remove_ended(TimePoint now) {
  std::map<std::string, Unheld> unheld;
  for (const auto& [id, look] : watch_.looks()) {
    if (bound_.contains(id) || !look.slots.empty()) continue;
    const auto before = unheld_since_.find(id);
    const bool is_same =
        before != unheld_since_.end() && before->second.file == look.file;
    const TimePoint since = is_same ? before->second.since : now;
    if (now - since < kGrace) {
      unheld.emplace(id, Unheld{since, look.file});
      continue;
    }
    // The kubelet may have given the ids to another since it was asked.
    const auto removed = watch_.files().remove(id, look.file);
    if (!removed) log::warning("shares", "{}", removed.error().message());
  }
  unheld_since_ = std::move(unheld);
}

ShareKeeper::Ledgers ShareKeeper::ledgers() const {
  Ledgers ledgers;
  for (const auto& [id, look] : watch_.looks()) {
    for (std::size_t at = 0; at < look.devices.size(); ++at) {
      auto& processes = ledgers[{id, look.devices[at].uuid}];
      for (const share::SlotHeld& slot : look.slots) {
        const std::uint32_t pid = watch_.host_pid(id, slot);
        if (pid != 0) processes.push_back({pid, slot.held[at]});
      }
    }
  }
  return ledgers;
}

std::vector<device::DeviceId> ShareKeeper::begin_reconcile() {
  std::set<device::DeviceId> devices;
  before_ = ledgers();
  for (const auto& [place, processes] : before_) {
    if (!processes.empty()) devices.insert({place.second});
  }
  return {devices.begin(), devices.end()};
}

void ShareKeeper::reconcile(
    const std::map<device::DeviceId, std::vector<device::ProcessUse>>& driver) {
  watch_.step();
  KnownProcesses known;
  for (const auto& [place, after] : ledgers()) {
    const auto& [id, uuid] = place;
    for (const share::GrantProcess& one : after) known[uuid].insert(one.pid);
    const auto seen = driver.find({uuid});
    if (seen == driver.end()) continue;
    const auto told = watch_.files().set_unaccounted(
        id, uuid,
        share::unaccounted_bytes(before_[place], after, seen->second));
    if (!told) log::warning("shares", "{}", told.error().message());
  }
  find_strangers(driver, known);
}

/// Processes of Pods that are on a shared Device and in no account.
void ShareKeeper::find_strangers(
    const std::map<device::DeviceId, std::vector<device::ProcessUse>>& driver,
    const KnownProcesses& known) {
  strangers_.clear();
  std::set<std::uint32_t> told;
  for (const auto& [device, processes] : driver) {
    const auto of_device = known.find(device.value);
    std::uint32_t& strangers = strangers_[device.value];
    for (const device::ProcessUse& one : processes) {
      if (of_device != known.end() && of_device->second.contains(one.pid)) {
        continue;
      }
      const auto cgroup =
          host_.read_file("/proc/" + std::to_string(one.pid) + "/cgroup");
      const std::string pod = cgroup ? share::pod_of_cgroup(*cgroup) : "";
      if (pod.empty()) continue;
      ++strangers;
      told.insert(one.pid);
      if (told_.contains(one.pid)) continue;
      log::warning("shares",
                   "process {} of Pod {} holds {} MiB of {} and is in no "
                   "account: it went around its limit, or had no library to "
                   "keep it (docs/sharing.md)",
                   one.pid, pod, one.bytes >> 20U, device.value);
    }
  }
  told_ = std::move(told);
}

std::optional<std::vector<std::string>> ShareKeeper::held(
    const std::string& resource) const {
  if (!is_heard_) return std::nullopt;
  std::vector<std::string> ids;
  for (const auto& [id, bound] : bound_) {
    const Holder& holder = bound.holder;
    if (holder.resource != resource) continue;
    ids.insert(ids.end(), holder.ids.begin(), holder.ids.end());
  }
  return ids;
}

std::vector<ShareUse> ShareKeeper::uses() const {
  std::vector<ShareUse> uses;
  std::map<std::string, std::map<std::string, share::TurnUse>> turns;
  if (referee_ != nullptr) {
    for (auto& [place, use] : referee_->uses()) {
      // Else they are of who had the ids before: it has yet to hear of this.
      const auto look = watch_.looks().find(place.first);
      if (look == watch_.looks().end() || look->second.file != use.file) {
        continue;
      }
      turns[place.first].emplace(place.second, use);
    }
  }
  for (const auto& [id, look] : watch_.looks()) {
    const Holder* const holder = holder_of(id, look);
    uses.push_back(
        {id, holder == nullptr ? Holder{} : *holder, look, turns[id]});
  }
  return uses;
}

std::vector<PrioritizedShare> ShareKeeper::prioritized(
    const Resources& resources) const {
  std::vector<PrioritizedShare> shares;
  for (const auto& [id, look] : watch_.looks()) {
    const Holder* const holder = holder_of(id, look);
    if (holder == nullptr || look.file == 0) continue;
    const auto resource = std::ranges::find_if(resources, [&](const auto& one) {
      return one->name().value() == holder->resource;
    });
    if (resource == resources.end()) continue;
    PrioritizedShare share{
        {id, look.file, holder->pod_namespace, holder->pod},
        (*resource)->sharing().priority == config::SharePriority::kPod,
        {}};
    for (const share::DeviceHeld& held : look.devices) {
      if (held.time.thousandths == 0) continue;
      share.devices.emplace_back(held.uuid, held.priority);
    }
    if (!share.devices.empty()) shares.push_back(std::move(share));
  }
  return shares;
}

std::string ShareKeeper::problem() const {
  if (watch_.is_blind()) {
    return "the processes of containers are not seen, so what a container's "
           "processes held before it was started anew is not given back: run "
           "the agent with hostPID: true";
  }
  if (referee_ != nullptr && !referee_->problem().empty()) {
    return "containers that wait for a GPU are found by looking, a thousand "
           "times a second, for nobody can tell the agent: " +
           referee_->problem();
  }
  if (holders_.source != Holders::Source::kPodResources &&
      !holders_.problem.empty()) {
    return "which Pods hold shares is not known from the kubelet: " +
           holders_.problem;
  }
  return {};
}

}  // namespace gpunode::plugin
