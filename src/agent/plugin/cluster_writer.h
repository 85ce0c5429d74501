// What the agent has to say to the cluster, said without its loop waiting.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/plugin/cluster_thread.h"
#include "agent/plugin/kept_object.h"
#include "base/core/mutex.h"
#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/core/waiting_clock.h"
#include "k8s/api/backoff.h"
#include "k8s/api/client.h"
#include "k8s/api/credentials.h"
#include "k8s/api/event.h"
#include "k8s/api/label_loan.h"
#include "k8s/api/node_feature_keeper.h"
#include "k8s/api/node_meta.h"
#include "k8s/api/time_text.h"

namespace gpunode::plugin {

/// How the writing goes, for metrics and for people.
struct ClusterStatus {
  /// What was asked for last is on the server, but for `left_alone`.
  bool is_current = false;
  std::optional<kube::WallTime> last_success;  ///< Of a read or a write.
  std::string problem;                         ///< In words; empty: none.
  std::vector<std::string> left_alone;         ///< Somebody else's, in words.
  std::vector<std::string> waiting;            ///< Of a loan, in words.
  std::uint64_t writes = 0;    ///< Of the objects kept, that were taken.
  std::uint64_t failures = 0;  ///< Calls that were not.
  std::uint64_t events = 0;    ///< That were written or counted.
  std::uint64_t events_lost = 0;
};

/// Keeps labels and annotations of one Node, and its NodeFeature object, as
/// they were asked for last, and records Events about it: a thread with a
/// client. What others wrote on the Node is left alone (node_meta.h). A wish
/// that is fulfilled costs one read of the object each `look_again`, and no
/// write. While the API server is away or refuses, the wish stands and is tried
/// again.
///
/// Labels are acted on, annotations and Events are only read: so the former go
/// at once and take along what waits, and the latter wait `gather` for them.
class ClusterWriter {
 public:
  struct Settings {
    std::string node;
    bool is_overwriting = false;            ///< Also labels that others wrote.
    std::string manager = "gpunode-agent";  ///< Of the fields.
    std::string space;  ///< Of the NodeFeature; empty: none will be wished.
    std::string pod;    ///< This one, for its owners; empty: nobody's.
    /// A Node that was made anew, or changed by others, is mended within this.
    std::chrono::milliseconds look_again = std::chrono::minutes(10);
    /// The same while a label of a loan is another's work in progress.
    std::chrono::milliseconds look_soon = std::chrono::seconds(30);
    kube::BackoffRules backoff;
    /// After a refusal, which takes a person to mend.
    kube::BackoffRules denied{std::chrono::minutes(1),
                              std::chrono::minutes(10)};
    kube::ClientOptions client;
    /// Connects, and reads the Node, before there is a wish: for who knows that
    /// one will come, which is then a single call away.
    bool is_reading_ahead = false;
    std::chrono::milliseconds gather{0};
    const WaitingClock* clock = nullptr;  ///< Outlives it; null: the system's.
  };

  /// Events that wait; the oldest make room.
  static constexpr std::size_t kMaxEvents = 64;

  /// Fails when the process is out of descriptors, and for names that no object
  /// can have. But to read ahead, nothing is asked of the server before the
  /// first wish.
  static Result<std::unique_ptr<ClusterWriter>> start(
      Settings settings, std::unique_ptr<kube::Credentials> credentials);

  /// Ends the call in progress and the thread; what was not yet written is not.
  ~ClusterWriter();
  ClusterWriter(const ClusterWriter&) = delete;
  ClusterWriter& operator=(const ClusterWriter&) = delete;

  // Any thread; none of these waits for the server.

  /// All labels of ours; the last call counts. Until the first, those of a run
  /// before stay.
  void set_node_labels(kube::MetaTexts labels);
  /// Nothing: it goes.
  void set_node_annotation(const std::string& key,
                           std::optional<std::string> value);
  /// Labels of others to turn or to give back; the last call counts. What
  /// becomes of it is logged and recorded as an Event.
  void set_loan(kube::LabelLoan loan);
  /// All labels of the node's NodeFeature object, which is made if there is
  /// none. With a Settings::space alone.
  void set_node_feature(kube::MetaTexts labels);
  /// About the Node; `text.about` need not be filled in.
  void record(kube::EventText text);
  /// The objects may have changed: they are read again.
  void look_again();
  /// The server is known to answer: waits after failures are over.
  void try_now();

  ClusterStatus status() const;
  /// The Node's metadata as the server told it last; null: not yet.
  std::shared_ptr<const kube::NodeMeta> node() const;

  /// Readable after each try, good or bad, until take_news().
  int news_fd() const { return news_.get(); }
  void take_news() const;

 private:
  enum class Due { kNode, kFeature, kEvent, kStop };
  enum Object : std::size_t { kNode, kFeature };

  struct Kept {
    KeptObject when;
    std::string problem;  ///< In words; empty: none.
  };

  ClusterWriter(Settings settings, std::unique_ptr<ClusterThread> thread,
                UniqueFd news);

  void wish_changed(Object object) REQUIRES(mutex_);
  Due wait();
  Due next(TimePoint now, TimePoint& until) const REQUIRES(mutex_);
  void run(kube::Client& client);
  void read_ahead(kube::Client& client);
  /// What was asked for may wait for more to go with it.
  void gather() REQUIRES(mutex_);
  void keep_node(kube::Client& client);
  Result<std::vector<std::string>> fulfil(kube::Client& client,
                                          const kube::NodeWish& wish);
  Result<void> lend(kube::Client& client, const kube::LabelLoan& loan);
  void lent(const kube::LabelLoan& loan,
            const std::vector<std::string>& changes);
  Result<void> look(kube::Client& client);
  Result<void> saw(const std::string& json);
  void keep_feature(kube::Client& client, kube::NodeFeatureKeeper& keeper);
  /// The end of a try; without an `error` a good one, till `next_look`.
  void settle(Object object, const Error* error, const std::string& rule,
              TimePoint next_look);
  void record_event(kube::EventRecorder& recorder);
  TimePoint after(const Error& error, unsigned attempt) const;
  TimePoint after_rest(std::chrono::milliseconds rest) const;
  void told(const std::vector<std::string>& left_alone);
  bool is_called_off() const { return thread_->is_called_off(); }

  const Settings settings_;
  const WaitingClock& clock_;
  const UniqueFd news_;

  mutable Mutex mutex_;
  std::condition_variable_any wake_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::array<Kept, 2> kept_ GUARDED_BY(mutex_);
  kube::NodeWish wish_ GUARDED_BY(mutex_);
  std::optional<kube::LabelLoan> loan_ GUARDED_BY(mutex_);
  std::shared_ptr<const kube::NodeMeta> node_ GUARDED_BY(mutex_);
  kube::MetaTexts feature_labels_ GUARDED_BY(mutex_);
  std::deque<kube::EventText> events_ GUARDED_BY(mutex_);
  ClusterStatus status_ GUARDED_BY(mutex_);
  std::optional<TimePoint> gather_until_ GUARDED_BY(mutex_);
  std::optional<TimePoint> event_at_ GUARDED_BY(mutex_);

  // The thread's own.
  std::shared_ptr<const kube::NodeMeta> seen_;
  kube::LoanPlan loan_plan_;  ///< The last one.
  unsigned event_failures_ = 0;
  std::array<std::string, 2> told_problems_;
  std::string told_owner_problem_;
  std::string told_event_problem_;
  std::vector<std::string> told_left_alone_;

  // Last: it uses all of the above.
  const std::unique_ptr<ClusterThread> thread_;
};

}  // namespace gpunode::plugin
