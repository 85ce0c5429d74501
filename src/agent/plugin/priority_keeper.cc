#include "agent/plugin/priority_keeper.h"

#include <set>

#include <fmt/format.h>

#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

constexpr std::chrono::milliseconds kLook{500};
constexpr std::chrono::minutes kStartAgain{1};

}  // namespace

void PriorityKeeper::keep(TimePoint now,
                          const std::vector<PrioritizedShare>& shares) {
  next_ = now + kLook;
  std::set<GrantOfPod> grants;
  for (const PrioritizedShare& share : shares) {
    // Of some a Pod's UID is all that is known, and that cannot be asked for.
    if (share.is_by_pod && !share.grant.pod.empty()) grants.insert(share.grant);
  }
  follow(now, grants);
  for (const PrioritizedShare& share : shares) keep(share);
}

/// Asks, and hears what was answered.
void PriorityKeeper::follow(TimePoint now, const std::set<GrantOfPod>& grants) {
  std::erase_if(told_,
                [&](const auto& one) { return !grants.contains(one.first); });
  if (grants.empty()) {
    asking_.reset();
    start_problem_.clear();
    start_at_ = TimePoint();
    return;
  }
  if (asking_ == nullptr && now >= start_at_) {
    auto started = start_();
    start_at_ = now + kStartAgain;
    const std::string problem =
        started ? std::string()
                : fmt::format(
                      "sharing.shares.priority: pod takes the API server: {}; "
                      "meanwhile all Pods are equal, at 0",
                      started.error().message());
    if (started) asking_ = *std::move(started);
    if (problem != start_problem_ && !problem.empty()) {
      log::warning("shares", "{}", problem);
    }
    start_problem_ = problem;
  }
  if (asking_ == nullptr) return;
  asking_->want(grants);
  for (PriorityTold& one : asking_->news().take()) {
    if (!grants.contains(one.grant)) continue;
    told_.insert_or_assign(std::move(one.grant), one.priority);
  }
}

void PriorityKeeper::keep(const PrioritizedShare& share) const {
  const auto told = told_.find(share.grant);
  for (const auto& [uuid, held] : share.devices) {
    if (held.source == share::PrioritySource::kHand) continue;
    share::TurnPriority priority = held;
    if (!share.is_by_pod) {
      priority = {};
    } else if (told != told_.end()) {
      priority = {told->second, share::PrioritySource::kPod};
    }
    if (priority == held) continue;
    const auto set = files_.set_priority(share.grant.allocation, uuid, priority,
                                         share.grant.file);
    // Its Pod may have ended since.
    if (!set && set.error().code() != ErrorCode::kNotFound) {
      log::warning("shares", "{}", set.error().message());
    }
  }
}

std::string PriorityKeeper::problem() const {
  return asking_ != nullptr ? asking_->problem() : start_problem_;
}

}  // namespace gpunode::plugin
