#include "agent/plugin/cluster_writer.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// Somebody else may write between our read and our apply, but not for ever.
constexpr unsigned kRounds = 3;
/// For so long what was read ahead of a wish is as good as read for it.
constexpr std::chrono::seconds kFresh(10);

kube::ObjectReference about_node(const std::string& name) {
  return {"v1", "Node", "", name, name};
}

std::string in_words(const Error& error, std::string_view rule) {
  if (error.code() != ErrorCode::kPermissionDenied) return error.message();
  return fmt::format(
      "{}; a 403 means that the agent's ServiceAccount lacks the {}",
      error.message(), rule);
}

std::string node_rule(const std::string& node) {
  return fmt::format(
      R"(ClusterRole rule {{apiGroups: [""], resources: [nodes], )"
      R"(resourceNames: [{}], )"
      R"(verbs: [get, patch]}})",
      node);
}

/// Whether somebody is in the cluster who makes the loan's labels.
bool may_yet_come(kube::Client& client, const kube::LabelLoan& loan) {
  if (loan.is_giving_back || !loan.maker) return false;
  const Result<bool> known = client.has_resource(*loan.maker);
  return known && *known;  // Who may not ask is not told.
}

constexpr std::string_view kEventRule =
    "ClusterRole rule {apiGroups: [events.k8s.io], resources: [events], verbs: "
    "[create, patch]}";

}  // namespace

Result<std::unique_ptr<ClusterWriter>> ClusterWriter::start(
    Settings settings, std::unique_ptr<kube::Credentials> credentials) {
  TRY(auto thread, ClusterThread::make(settings.node, std::move(credentials),
                                       settings.client));
  if (!settings.space.empty()) {
    TRY_VOID(kube::NodeFeatureKeeper::check(
        {settings.space, settings.node, settings.pod}));
  }
  UniqueFd news(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!news) return Error::from_errno("eventfd", errno);
  return std::unique_ptr<ClusterWriter>(new ClusterWriter(
      std::move(settings), std::move(thread), std::move(news)));
}

ClusterWriter::ClusterWriter(Settings settings,
                             std::unique_ptr<ClusterThread> thread,
                             UniqueFd news)
    : settings_(std::move(settings)),
      clock_(settings_.clock != nullptr ? *settings_.clock
                                        : SystemWaitingClock::instance()),
      news_(std::move(news)),
      thread_(std::move(thread)) {
  thread_->start([this](kube::Client& client) { run(client); });
}

ClusterWriter::~ClusterWriter() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  thread_->stop();
}

void ClusterWriter::wish_changed(Object object) {
  kept_[object].when.wish_changed();
  wake_.notify_all();
}

void ClusterWriter::set_node_labels(kube::MetaTexts labels) {
  const MutexLock lock(mutex_);
  if (wish_.labels == labels) return;
  wish_.labels = std::move(labels);
  gather_until_.reset();
  wish_changed(kNode);
}

void ClusterWriter::set_node_annotation(const std::string& key,
                                        std::optional<std::string> value) {
  const MutexLock lock(mutex_);
  const auto before = wish_.annotations.find(key);
  if (before != wish_.annotations.end() && before->second == value) return;
  wish_.annotations[key] = std::move(value);
  if (!kept_[kNode].when.is_pending()) gather();
  wish_changed(kNode);
}

void ClusterWriter::set_loan(kube::LabelLoan loan) {
  const MutexLock lock(mutex_);
  if (loan_ == loan) return;
  loan_ = std::move(loan);
  gather_until_.reset();
  wish_changed(kNode);
}

void ClusterWriter::set_node_feature(kube::MetaTexts labels) {
  const MutexLock lock(mutex_);
  if (kept_[kFeature].when.is_wished() && feature_labels_ == labels) return;
  feature_labels_ = std::move(labels);
  wish_changed(kFeature);
}

void ClusterWriter::record(kube::EventText text) {
  text.about = about_node(settings_.node);
  const MutexLock lock(mutex_);
  if (events_.size() >= kMaxEvents) {
    events_.pop_front();
    ++status_.events_lost;
  }
  events_.push_back(std::move(text));
  if (!kept_[kNode].when.is_pending()) gather();
  wake_.notify_all();
}

void ClusterWriter::gather() {
  if (!gather_until_) gather_until_ = clock_.now() + settings_.gather;
}

void ClusterWriter::look_again() {
  const MutexLock lock(mutex_);
  for (Kept& kept : kept_) kept.when.look_again();
  wake_.notify_all();
}

void ClusterWriter::try_now() {
  const MutexLock lock(mutex_);
  for (Kept& kept : kept_) kept.when.try_now();
  event_at_.reset();
  wake_.notify_all();
}

ClusterStatus ClusterWriter::status() const {
  const MutexLock lock(mutex_);
  ClusterStatus status = status_;
  bool is_wished = false;
  bool is_done = true;
  for (const Kept& kept : kept_) {
    if (!kept.when.is_wished()) continue;
    is_wished = true;
    is_done = is_done && kept.when.is_done();
    if (kept.problem.empty()) continue;
    if (!status.problem.empty()) status.problem += "; ";
    status.problem += kept.problem;
  }
  status.is_current = is_wished && is_done;
  return status;
}

std::shared_ptr<const kube::NodeMeta> ClusterWriter::node() const {
  const MutexLock lock(mutex_);
  return node_;
}

void ClusterWriter::take_news() const {
  std::uint64_t count = 0;
  static_cast<void>(!::read(news_.get(), &count, sizeof count));
}

/// What there is to do now; if nothing, `until` when.
ClusterWriter::Due ClusterWriter::next(TimePoint now, TimePoint& until) const {
  until = TimePoint::max();
  for (const Object object : {kNode, kFeature}) {
    const KeptObject& when = kept_[object].when;
    TimePoint at = when.due();
    if (object == kNode && when.is_pending()) {
      at = std::max(at, gather_until_.value_or(at));
    }
    if (at <= now) return object == kNode ? Due::kNode : Due::kFeature;
    until = std::min(until, at);
  }
  if (!events_.empty()) {
    const TimePoint at = std::max(event_at_.value_or(TimePoint()),
                                  gather_until_.value_or(TimePoint()));
    if (at <= now) return Due::kEvent;
    until = std::min(until, at);
  }
  return Due::kStop;
}

ClusterWriter::Due ClusterWriter::wait() {
  const MutexLock lock(mutex_);
  while (!is_stopping_) {
    TimePoint until;
    const Due due = next(clock_.now(), until);
    if (due != Due::kStop) return due;
    clock_.wait_until(wake_, mutex_, until);
  }
  return Due::kStop;
}

void ClusterWriter::run(kube::Client& client) {
  kube::NodeFeatureKeeper keeper(
      {settings_.space, settings_.node, settings_.pod});
  kube::EventRecorder recorder(client, {"gpunode.io/agent", settings_.node},
                               clock_,
                               [] { return std::chrono::system_clock::now(); });
  if (settings_.is_reading_ahead) read_ahead(client);
  while (true) {
    switch (wait()) {
      case Due::kNode:
        keep_node(client);
        break;
      case Due::kFeature:
        keep_feature(client, keeper);
        break;
      case Due::kEvent:
        record_event(recorder);
        break;
      case Due::kStop:
        return;
    }
  }
}

Result<void> ClusterWriter::look(kube::Client& client) {
  TRY(const std::string json,
      client.get(kube::nodes(), {"", settings_.node}, kube::Detail::kMetadata));
  return saw(json);
}

Result<void> ClusterWriter::saw(const std::string& json) {
  TRY(kube::NodeMeta node, kube::read_node_meta(json, settings_.manager));
  seen_ = std::make_shared<const kube::NodeMeta>(std::move(node));
  const MutexLock lock(mutex_);
  node_ = seen_;
  return {};
}

// What fails here fails again, and is told, once there is a wish.
void ClusterWriter::read_ahead(kube::Client& client) {
  if (!look(client)) {
    seen_.reset();
    return;
  }
  const MutexLock lock(mutex_);
  kept_[kNode].when.look_at(clock_.now() + kFresh);
}

/// What was left alone, in words.
Result<std::vector<std::string>> ClusterWriter::fulfil(
    kube::Client& client, const kube::NodeWish& wish) {
  std::optional<Error> conflict;
  for (unsigned round = 0; round < kRounds; ++round) {
    if (!seen_) TRY_VOID(look(client));
    kube::NodePlan plan =
        kube::plan_apply(*seen_, wish, settings_.is_overwriting);
    if (!plan.body) return std::move(plan.left_alone);
    auto answer = client.apply(kube::nodes(), {"", settings_.node}, *plan.body,
                               settings_.manager, settings_.is_overwriting,
                               kube::Detail::kMetadata);
    seen_.reset();
    if (answer) {
      TRY_VOID(saw(*answer));
      const MutexLock lock(mutex_);
      ++status_.writes;
      return std::move(plan.left_alone);
    }
    if (answer.error().code() != ErrorCode::kAlreadyExists) {
      return std::move(answer).error();
    }
    conflict = std::move(answer).error();
  }
  return *std::move(conflict);
}

Result<void> ClusterWriter::lend(kube::Client& client,
                                 const kube::LabelLoan& loan) {
  std::optional<Error> conflict;
  for (unsigned round = 0; round < kRounds; ++round) {
    if (!seen_) TRY_VOID(look(client));
    kube::LoanPlan plan = kube::plan_loan(*seen_, loan);
    if (!plan.has_switches && may_yet_come(client, loan)) {
      plan.waiting.push_back(
          fmt::format("none of the labels {} is there, but the API server "
                      "knows {}.{}: they "
                      "are set to {:?} when its owner makes them",
                      fmt::join(loan.labels, ", "), loan.maker->resource,
                      loan.maker->group, loan.value));
    }
    if (plan.waiting != loan_plan_.waiting) {
      for (const std::string& one : plan.waiting) {
        log::warning("cluster", "node {}: {}", settings_.node, one);
      }
    }
    loan_plan_ = std::move(plan);
    if (!loan_plan_.patch) return {};
    const auto answer = client.merge_patch(kube::nodes(), {"", settings_.node},
                                           *loan_plan_.patch);
    seen_.reset();
    if (answer) {
      lent(loan, loan_plan_.changes);
      return saw(*answer);
    }
    if (answer.error().code() != ErrorCode::kAlreadyExists) {
      return answer.error();
    }
    conflict = answer.error();
  }
  return *std::move(conflict);
}

void ClusterWriter::lent(const kube::LabelLoan& loan,
                         const std::vector<std::string>& changes) {
  {
    const MutexLock lock(mutex_);
    ++status_.writes;
  }
  for (const std::string& change : changes) {
    log::info("cluster", "node {}: {}", settings_.node, change);
    record({{},
            false,
            loan.is_giving_back ? "GaveBack" : "TookOver",
            loan.is_giving_back ? "GiveBack" : "TakeOver",
            change});
  }
}

TimePoint ClusterWriter::after(const Error& error, unsigned attempt) const {
  const bool takes_a_person = error.code() == ErrorCode::kPermissionDenied ||
                              error.code() == ErrorCode::kUnsupported;
  const kube::BackoffRules& rules =
      takes_a_person ? settings_.denied : settings_.backoff;
  return clock_.now() + kube::retry_delay(rules, attempt, std::nullopt,
                                          settings_.client.chance());
}

// Spread, so that a fleet does not look in step.
TimePoint ClusterWriter::after_rest(std::chrono::milliseconds rest) const {
  return clock_.now() + rest / 2 +
         std::chrono::duration_cast<std::chrono::milliseconds>(
             rest * settings_.client.chance());
}

void ClusterWriter::keep_node(kube::Client& client) {
  kube::NodeWish wish;
  std::optional<kube::LabelLoan> loan;
  {
    const MutexLock lock(mutex_);
    wish = wish_;
    loan = loan_;
    if (kept_[kNode].when.begin(clock_.now())) seen_.reset();
    gather_until_.reset();
  }
  auto left_alone = fulfil(client, wish);
  if (left_alone && loan) {
    if (auto done = lend(client, *loan); !done) {
      left_alone = std::move(done).error();
    }
  }
  if (is_called_off()) return;
  const std::string rule = node_rule(settings_.node);
  if (!left_alone) {
    seen_.reset();
    return settle(kNode, &left_alone.error(), rule, {});
  }
  told(*left_alone);
  {
    const MutexLock lock(mutex_);
    status_.left_alone = *std::move(left_alone);
    status_.waiting = loan_plan_.waiting;
  }
  settle(kNode, nullptr, rule,
         after_rest(loan_plan_.is_busy ? settings_.look_soon
                                       : settings_.look_again));
}

void ClusterWriter::keep_feature(kube::Client& client,
                                 kube::NodeFeatureKeeper& keeper) {
  kube::MetaTexts labels;
  {
    const MutexLock lock(mutex_);
    labels = feature_labels_;
    kept_[kFeature].when.begin(clock_.now());
  }
  const auto is_written = keeper.keep(client, labels);
  if (is_called_off()) return;
  if (const std::string& problem = keeper.owner_problem();
      problem != told_owner_problem_) {
    if (!problem.empty()) log::warning("cluster", "{}", problem);
    told_owner_problem_ = problem;
  }
  if (is_written && *is_written) {
    const MutexLock lock(mutex_);
    ++status_.writes;
  }
  settle(kFeature, is_written ? nullptr : &is_written.error(),
         keeper.needed_rule(), after_rest(settings_.look_again));
}

void ClusterWriter::settle(Object object, const Error* error,
                           const std::string& rule, TimePoint next_look) {
  const std::string words = error == nullptr ? "" : in_words(*error, rule);
  std::string& told_problem = told_problems_[object];
  if (words != told_problem) {
    if (error != nullptr) {
      log::warning("cluster", "{}", words);
    } else {
      log::info("cluster", "the API server takes what the agent writes again");
    }
    told_problem = words;
  }
  {
    const MutexLock lock(mutex_);
    Kept& kept = kept_[object];
    kept.problem = words;
    if (error != nullptr) {
      ++status_.failures;
      kept.when.failed(after(*error, kept.when.count_failure()));
    } else {
      status_.last_success = std::chrono::system_clock::now();
      kept.when.done(next_look);
    }
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(news_.get(), &one, sizeof one));
}

void ClusterWriter::told(const std::vector<std::string>& left_alone) {
  for (const std::string& one : left_alone) {
    if (std::find(told_left_alone_.begin(), told_left_alone_.end(), one) ==
        told_left_alone_.end()) {
      log::warning("cluster", "node {}: {}; it stays as it is", settings_.node,
                   one);
    }
  }
  told_left_alone_ = left_alone;
}

void ClusterWriter::record_event(kube::EventRecorder& recorder) {
  kube::EventText text;
  {
    const MutexLock lock(mutex_);
    text = std::move(events_.front());
    events_.pop_front();
    gather_until_.reset();
  }
  auto done = recorder.record(text);
  if (is_called_off()) return;
  if (done) {
    event_failures_ = 0;
    told_event_problem_.clear();
    const MutexLock lock(mutex_);
    ++status_.events;
    event_at_.reset();
    return;
  }
  const Error error = std::move(done).error().with_context("record an Event");
  const std::string words = in_words(error, kEventRule);
  if (words != told_event_problem_) log::warning("cluster", "{}", words);
  told_event_problem_ = words;
  // What the server refuses for itself is not made better by waiting.
  const bool is_lost = error.code() != ErrorCode::kUnavailable &&
                       error.code() != ErrorCode::kPermissionDenied;
  const MutexLock lock(mutex_);
  ++status_.failures;
  if (is_lost || events_.size() >= kMaxEvents) {
    ++status_.events_lost;
  } else {
    events_.push_front(std::move(text));
  }
  event_at_ = after(error, ++event_failures_);
}

}  // namespace gpunode::plugin
