#include "k8s/api/watch_plan.h"

namespace gpunode::kube {

WatchPlan::Step WatchPlan::next() const {
  if (delay_.count() > 0) return Step::kPause;
  return has_list_ ? Step::kWatch : Step::kList;
}

void WatchPlan::listed(std::string version, double chance) {
  if (version.empty()) {
    failed(std::nullopt, chance);
    return;
  }
  has_list_ = true;
  has_seen_ = false;
  version_ = std::move(version);
}

void WatchPlan::saw(const std::string& version) {
  if (!version.empty()) version_ = version;
  has_seen_ = true;
  failures_ = 0;
}

void WatchPlan::ended(std::chrono::milliseconds lifetime, double chance) {
  constexpr std::chrono::seconds kShortest(1);
  if (!has_seen_ && lifetime < kShortest) {
    failed(std::nullopt, chance);
    return;
  }
  has_seen_ = false;
  failures_ = 0;
}

void WatchPlan::lost(double chance) {
  forget();
  failed(std::nullopt, chance);
}

void WatchPlan::forget() {
  has_list_ = false;
  version_.clear();
}

void WatchPlan::failed(std::optional<std::chrono::seconds> retry_after,
                       double chance) {
  constexpr unsigned kPatience = 4;
  has_seen_ = false;
  if (++failures_ % kPatience == 0) forget();
  delay_ = retry_delay(rules_, failures_, retry_after, chance);
}

}  // namespace gpunode::kube
