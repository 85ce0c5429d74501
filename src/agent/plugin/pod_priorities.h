// The priorities of Pods, asked of the API server by a thread of its own.
#pragma once

#include <compare>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/plugin/cluster_thread.h"
#include "agent/plugin/mailbox.h"
#include "base/core/clock.h"
#include "base/core/mutex.h"
#include "base/core/result.h"
#include "base/core/waiting_clock.h"
#include "k8s/api/backoff.h"
#include "k8s/api/client.h"
#include "k8s/api/credentials.h"

namespace gpunode::plugin {

/// The grant that a Pod holds.
struct GrantOfPod {
  std::string allocation;
  /// Tells its files from those of a later grant of the same ids: of another
  /// Pod, perhaps of the same name.
  std::uint64_t file = 0;
  std::string space;
  std::string pod;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang 14 takes it for a 0.
  auto operator<=>(const GrantOfPod&) const = default;
};

struct PriorityTold {
  GrantOfPod grant;
  std::int32_t priority = 0;
};

/// A Pod's priority does not change while it lives: each is asked for once, by
/// a GET of that one Pod. What fails is asked again with a growing, jittered
/// wait, and after those that have waited longer; a trouble is logged when it
/// is of another kind, and when it is over.
class PodPriorities {
 public:
  struct Settings {
    kube::BackoffRules backoff;
    /// After a refusal, which takes a person to mend.
    kube::BackoffRules denied{std::chrono::minutes(1),
                              std::chrono::minutes(10)};
    /// The first who are wanted are asked for within so much for each: all of
    /// a cluster's agents may begin at the same time.
    Duration spread = std::chrono::seconds(1);
    kube::ClientOptions client;
    const WaitingClock* clock = nullptr;  ///< Outlives it; null: the system's.
  };

  /// Fails when the process is out of descriptors. Asks nothing yet.
  static Result<std::unique_ptr<PodPriorities>> start(
      Settings settings, std::unique_ptr<kube::Credentials> credentials);

  /// Ends the call in progress and the thread.
  ~PodPriorities();
  PodPriorities(const PodPriorities&) = delete;
  PodPriorities& operator=(const PodPriorities&) = delete;

  /// Any thread; does not wait for the server. All that are wanted from now on;
  /// what was told is told again only to who did not want it in between.
  void want(const std::set<GrantOfPod>& grants);

  Mailbox<PriorityTold>& news() { return news_; }
  /// Why some are not told, and what to do; empty: nothing is known of that.
  std::string problem() const;

 private:
  struct Question {
    bool is_answered = false;
    unsigned failures = 0;  ///< In a row, of this Pod's.
    TimePoint not_before{};
    bool is_in_trouble = false;  ///< The server's, at the last try.
  };

  PodPriorities(Settings settings, std::unique_ptr<ClusterThread> thread);

  void run(kube::Client& client);
  /// The next to ask about; nothing: it is to end.
  std::optional<GrantOfPod> wait();
  void settle(const GrantOfPod& grant, const Result<std::int32_t>& priority);
  TimePoint after(const kube::BackoffRules& rules, unsigned attempt) const;
  TimePoint time_of(const Question& question) const REQUIRES(mutex_);
  void take_trouble(const Error& error, Question* question) REQUIRES(mutex_);
  void tell_if_over() REQUIRES(mutex_);

  const Settings settings_;
  const WaitingClock& clock_;
  Mailbox<PriorityTold> news_;

  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  bool has_begun_ GUARDED_BY(mutex_) = false;  ///< Somebody was wanted.
  std::map<GrantOfPod, Question> questions_ GUARDED_BY(mutex_);
  unsigned failures_ GUARDED_BY(mutex_) = 0;   ///< In a row, of the server's.
  TimePoint not_before_ GUARDED_BY(mutex_){};  ///< Nothing is asked until then.
  std::string problem_ GUARDED_BY(mutex_);
  std::optional<ErrorCode> trouble_ GUARDED_BY(mutex_);  ///< As it was logged.

  // Last: it uses all of the above.
  const std::unique_ptr<ClusterThread> thread_;
};

}  // namespace gpunode::plugin
