// The part of Agent that looks after shares.
#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/plugin/agent.h"
#include "agent/plugin/cluster_credentials.h"
#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// How long an offer is held back for a request that did not fit: as long as
/// it takes the kubelet to tell the scheduler, and some more.
constexpr std::chrono::seconds kFirstPeriod{60};
constexpr std::chrono::seconds kLongestPeriod{600};
/// How often the driver is asked what processes hold.
constexpr std::chrono::seconds kReconcile{2};
constexpr std::chrono::seconds kLostAnswer{60};

}  // namespace

resource::ShareRoom Agent::room_of(const resource::Resource& resource,
                                   const std::vector<std::string>& held) const {
  return {resource, held, [this](const resource::Device& device) {
            return health_.book().health(device.id).is_healthy;
          }};
}

bool Agent::take_split_requests(TimePoint now) {
  bool has_any = false;
  for (const SplitRequest& request : context_.split_requests().take()) {
    Unfitting& one = unfitting_[request.resource];
    const bool is_minded = now < one.until;
    // Once more after its time: nobody has given up.
    if (!is_minded) {
      one.period =
          std::clamp<Duration>(one.period * 2, kFirstPeriod, kLongestPeriod);
      one.asked = request.asked;
      log::warning(
          "shares",
          "{} of {} were asked for and no GPU has as many left; less "
          "is offered for {} s, or until one has, so that no Pods are "
          "sent in vain",
          request.asked, request.resource,
          std::chrono::duration_cast<std::chrono::seconds>(one.period).count());
    }
    one.asked = std::min(one.asked, request.asked);
    one.until = now + one.period;
    shares_->hurry();
    has_any = true;
  }
  return has_any;
}

void Agent::keep_shares(TimePoint now) {
  bool is_changed = take_split_requests(now);
  is_changed |= std::erase_if(unfitting_, [&](const auto& one) {
                  // Remembered for as long again: it may come back.
                  return now >= one.second.until + one.second.period;
                }) > 0;
  for (const auto& [name, one] : unfitting_) {
    is_changed = is_changed || (held_back_.contains(name) && now >= one.until);
  }
  const bool has_news =
      shares_->due(now, settings_.limits_holders(), catalogue_.resources());
  if (has_news) {
    std::map<std::string, std::uint32_t> largest;
    for (const auto& one : catalogue_.resources()) {
      const std::string& name = one->name().value();
      const auto held = shares_->held(name);
      if (!held ||
          one->sharing().strategy != config::SharingStrategy::kShares) {
        continue;
      }
      largest[name] = room_of(*one, *held).largest();
    }
    if (largest != std::exchange(largest_free_, largest)) label();
  }
  if (priorities_->is_due(now)) {
    priorities_->keep(now, shares_->prioritized(catalogue_.resources()));
  }
  if (compute_->due(now)) {
    std::vector<ShareUse> uses = shares_->uses();
    compute_->complete(&uses);
    compute_->note(now, uses);
    compute_->save();
  }
  begin_reconcile(now);
  if (is_changed || (has_news && !unfitting_.empty())) publish();
}

Result<std::unique_ptr<PodPriorities>> Agent::ask_pods() const {
  TRY(auto credentials,
      cluster_credentials(settings_.kubeconfig, process_environment()));
  PodPriorities::Settings asking;
  asking.client.user_agent = kUserAgent;
  return PodPriorities::start(std::move(asking), std::move(credentials));
}

void Agent::begin_reconcile(TimePoint now) {
  // An answer belongs to what the ledgers had when it was asked for. One that
  // is lost, as with a driver that is replaced, is not waited for for ever.
  const bool is_waiting =
      is_reconciling_ && now - reconciling_since_ < kLostAnswer;
  if (now < next_reconcile_ || is_waiting) return;
  next_reconcile_ = now + kReconcile;
  std::vector<device::DeviceId> devices = shares_->begin_reconcile();
  is_reconciling_ = !devices.empty();
  if (!is_reconciling_) return;
  reconciling_since_ = now;
  observer_->list_processes(std::move(devices), ++reconcile_);
}

void Agent::on(const ProcessesSeen& seen) {
  if (!is_reconciling_ || seen.request != reconcile_) return;
  is_reconciling_ = false;
  shares_->reconcile(seen.by_device);
}

void Agent::hold_back(std::vector<Offer>& offers) {
  held_back_.clear();
  for (Offer& offer : offers) {
    const auto one = unfitting_.find(offer.resource_name);
    const auto held = shares_->held(offer.resource_name);
    if (one == unfitting_.end() || clock_.now() >= one->second.until || !held) {
      continue;
    }
    const auto resource =
        std::ranges::find_if(catalogue_.resources(), [&](const auto& each) {
          return each->name().value() == offer.resource_name;
        });
    if (resource == catalogue_.resources().end() ||
        (*resource)->replica_count() != offer.devices.size()) {
      continue;
    }
    for (const std::size_t position :
         room_of(**resource, *held).beyond(one->second.asked)) {
      offer.devices[position].is_healthy = false;
      held_back_.insert(offer.resource_name);
    }
  }
}

}  // namespace gpunode::plugin
