// PriorityKeeper: who goes first is as the settings, and the Pods, say.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/plugin/pod_priorities.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "share/grants/grant_files.h"

namespace gpunode::plugin {

/// A container that takes turns.
struct PrioritizedShare {
  GrantOfPod grant;
  bool is_by_pod = false;  ///< The settings want its Pod's priority.
  /// By UUID, as they were at the last look.
  std::vector<std::pair<std::string, share::TurnPriority>> devices;
};

/// Writes what Pods' priorities are into the limits of their containers, and
/// takes it away where the settings want none any more. What was set by hand
/// stays. A Pod whose priority its files have is not asked for: they are its
/// own (GrantOfPod::file), and it does not change while the Pod lives. One
/// thread, the agent's loop, which never waits for the API server; who destroys
/// this may wait for a program that gives credentials.
class PriorityKeeper {
 public:
  using Start = std::function<Result<std::unique_ptr<PodPriorities>>()>;

  /// `start` is called when somebody's Pod is to be asked first, and again
  /// after a while where it fails.
  PriorityKeeper(share::GrantFiles files, Start start)
      : files_(std::move(files)), start_(std::move(start)) {}

  bool is_due(TimePoint now) const { return now >= next_; }
  void keep(TimePoint now, const std::vector<PrioritizedShare>& shares);
  /// Why Pods' priorities are not known; empty: they are, or are not wanted.
  std::string problem() const;

 private:
  /// A grant, whatever is known of its Pod: allocation and files.
  using Files = std::pair<std::string, std::uint64_t>;
  static Files files_of(const GrantOfPod& grant) {
    return {grant.allocation, grant.file};
  }
  bool has_to_ask(const PrioritizedShare& share) const;
  void forget(const std::vector<PrioritizedShare>& shares);
  void follow(TimePoint now);
  void keep(const PrioritizedShare& share,
            std::set<std::string>* problems) const;

  const share::GrantFiles files_;
  const Start start_;
  TimePoint next_{};
  TimePoint start_at_{};  ///< Not before.
  std::string start_problem_;
  std::set<std::string> write_problems_;  ///< Of the last time.
  /// Null: nobody was to be asked so far. Its end may take long.
  std::unique_ptr<PodPriorities> asking_;
  /// By name as of when it was known: a kubelet may have it, and then only a
  /// UID, and then the name again.
  std::map<Files, GrantOfPod> wanted_;
  std::map<Files, std::int32_t> told_;
};

}  // namespace gpunode::plugin
