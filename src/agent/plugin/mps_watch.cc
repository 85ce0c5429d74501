#include "agent/plugin/mps_watch.h"

#include <chrono>
#include <utility>

#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// How often a daemon is asked whether it is (still) there.
constexpr std::chrono::seconds kInterval{15};

}  // namespace

void MpsWatch::follow(std::vector<std::string> resources, TimePoint now) {
  resources_ = std::move(resources);
  next_ = resources_.empty() ? std::nullopt : std::optional(now);
}

std::vector<std::string> MpsWatch::due(TimePoint now) {
  if (!next_ || now < *next_) return {};
  next_ = now + kInterval;
  return resources_;
}

bool MpsWatch::on_answer(const std::string& resource,
                         const std::optional<Error>& failure) {
  std::optional<std::string> problem;
  if (failure) problem = failure->message();
  const auto [known, is_first] = answers_.try_emplace(resource);
  if (!is_first && known->second == problem) return false;
  if (problem) {
    log::error("mps", "{} is not offered: {}", resource, *problem);
  } else {
    log::info("mps", "the MPS daemon of {} answers", resource);
  }
  known->second = std::move(problem);
  return true;
}

std::optional<std::string> MpsWatch::problem(
    const std::string& resource) const {
  const auto answer = answers_.find(resource);
  if (answer == answers_.end()) return "waiting for the MPS daemon";
  return answer->second;
}

}  // namespace gpunode::plugin
