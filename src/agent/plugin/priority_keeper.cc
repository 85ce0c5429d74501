#include "agent/plugin/priority_keeper.h"

#include <algorithm>
#include <set>
#include <utility>

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
  forget(shares);
  for (const PrioritizedShare& share : shares) {
    const Files files = files_of(share.grant);
    if (!has_to_ask(share)) {
      wanted_.erase(files);
    } else if (!share.grant.pod.empty()) {
      // Of some a Pod's UID is all that is known, and that cannot be asked for.
      wanted_.insert_or_assign(files, share.grant);
    }
  }
  follow(now);
  std::set<std::string> problems;
  for (const PrioritizedShare& share : shares) keep(share, &problems);
  for (const std::string& problem : problems) {
    if (!write_problems_.contains(problem)) {
      log::warning("shares", "{}", problem);
    }
  }
  write_problems_ = std::move(problems);
}

bool PriorityKeeper::has_to_ask(const PrioritizedShare& share) const {
  return share.is_by_pod && !told_.contains(files_of(share.grant)) &&
         std::ranges::any_of(share.devices, [](const auto& device) {
           return device.second.source == share::PrioritySource::kNobody;
         });
}

/// Those of grants that are no more.
void PriorityKeeper::forget(const std::vector<PrioritizedShare>& shares) {
  std::set<Files> there;
  for (const PrioritizedShare& share : shares) {
    there.insert(files_of(share.grant));
  }
  const auto is_gone = [&](const auto& one) {
    return !there.contains(one.first);
  };
  std::erase_if(wanted_, is_gone);
  std::erase_if(told_, is_gone);
}

/// Asks, and hears what was answered.
void PriorityKeeper::follow(TimePoint now) {
  std::set<GrantOfPod> grants;
  for (const auto& [files, grant] : wanted_) grants.insert(grant);
  if (grants.empty() && asking_ == nullptr) {
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
  for (const PriorityTold& one : asking_->news().take()) {
    const Files files = files_of(one.grant);
    if (wanted_.erase(files) > 0) told_.emplace(files, one.priority);
  }
}

void PriorityKeeper::keep(const PrioritizedShare& share,
                          std::set<std::string>* problems) const {
  const auto told = told_.find(files_of(share.grant));
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
    if (set || set.error().code() == ErrorCode::kNotFound) continue;
    problems->insert(set.error().message());
  }
}

std::string PriorityKeeper::problem() const {
  return asking_ != nullptr ? asking_->problem() : start_problem_;
}

}  // namespace gpunode::plugin
