#include "agent/plugin/pod_priorities.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/core/log.h"
#include "k8s/api/pod_priority.h"
#include "k8s/api/resource_path.h"

namespace gpunode::plugin {
namespace {

Result<std::int32_t> ask(kube::Client& client, const GrantOfPod& grant) {
  TRY(const std::string pod,
      client.get(kube::pods(), {grant.space, grant.pod}));
  return kube::read_pod_priority(pod);
}

/// Whether it is that Pod's trouble and not the server's: it has ended, or what
/// is said of it cannot be read.
bool is_of_one(const Error& error) {
  return error.code() == ErrorCode::kNotFound ||
         error.code() == ErrorCode::kCorrupt ||
         error.code() == ErrorCode::kInvalidArgument;
}

std::string in_words(const Error& error) {
  const std::string rule =
      error.code() != ErrorCode::kPermissionDenied
          ? std::string()
          : R"(; a 403 means that the agent's ServiceAccount lacks the )"
            R"(ClusterRole rule {apiGroups: [""], resources: [pods], verbs: )"
            R"([get]}, which the chart gives where sharing.shares.priority is )"
            R"(pod, a 401 that its token is not taken)";
  return fmt::format(
      "not all Pods can be asked for their priority: {}{}; meanwhile those "
      "whose is not known are equal, at 0",
      error.message(), rule);
}

}  // namespace

Result<std::unique_ptr<PodPriorities>> PodPriorities::start(
    Settings settings, std::unique_ptr<kube::Credentials> credentials) {
  TRY(auto thread,
      ClusterThread::make(std::move(credentials), settings.client));
  return std::unique_ptr<PodPriorities>(
      new PodPriorities(std::move(settings), std::move(thread)));
}

PodPriorities::PodPriorities(Settings settings,
                             std::unique_ptr<ClusterThread> thread)
    : settings_(std::move(settings)),
      clock_(settings_.clock != nullptr ? *settings_.clock
                                        : SystemWaitingClock::instance()),
      thread_(std::move(thread)) {
  thread_->start([this](kube::Client& client) { run(client); });
}

PodPriorities::~PodPriorities() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
    wake_.notify_all();
  }
  thread_->stop();
}

void PodPriorities::want(const std::set<GrantOfPod>& grants) {
  const MutexLock lock(mutex_);
  std::erase_if(questions_,
                [&](const auto& one) { return !grants.contains(one.first); });
  const std::size_t before = questions_.size();
  for (const GrantOfPod& grant : grants) questions_.try_emplace(grant);
  if (!has_begun_ && !grants.empty()) {
    has_begun_ = true;
    const auto within = static_cast<double>(
        settings_.spread.count() * static_cast<Duration::rep>(grants.size()));
    for (auto& [grant, question] : questions_) {
      question.not_before =
          clock_.now() + Duration(static_cast<Duration::rep>(
                             within * settings_.client.chance()));
    }
  }
  tell_if_over();
  if (questions_.size() != before) wake_.notify_all();
}

std::string PodPriorities::problem() const {
  const MutexLock lock(mutex_);
  return problem_;
}

void PodPriorities::run(kube::Client& client) {
  while (const std::optional<GrantOfPod> grant = wait()) {
    const Result<std::int32_t> priority = ask(client, *grant);
    if (thread_->is_called_off()) return;
    settle(*grant, priority);
  }
}

/// The server's trouble is everybody's pause. What it refuses keeps nobody
/// waiting who was not refused: his namespace may be another matter.
TimePoint PodPriorities::time_of(const Question& question) const {
  return std::max(question.not_before, not_before_);
}

std::optional<GrantOfPod> PodPriorities::wait() {
  const MutexLock lock(mutex_);
  while (!is_stopping_) {
    const TimePoint now = clock_.now();
    TimePoint until = TimePoint::max();
    const GrantOfPod* next = nullptr;
    TimePoint earliest = TimePoint::max();
    for (const auto& [grant, question] : questions_) {
      if (question.is_answered) continue;
      const TimePoint at = time_of(question);
      until = std::min(until, at);
      if (at > now || question.not_before >= earliest) continue;
      next = &grant;
      earliest = question.not_before;
    }
    if (next != nullptr) return *next;
    clock_.wait_until(wake_, mutex_, until);
  }
  return std::nullopt;
}

void PodPriorities::settle(const GrantOfPod& grant,
                           const Result<std::int32_t>& priority) {
  const MutexLock lock(mutex_);
  const auto found = questions_.find(grant);
  Question* const question =
      found == questions_.end() ? nullptr : &found->second;
  if (!priority && !is_of_one(priority.error())) {
    take_trouble(priority.error(), question);
    return;
  }
  failures_ = 0;
  not_before_ = TimePoint();
  if (question == nullptr) return;
  question->is_in_trouble = false;
  tell_if_over();
  if (priority) {
    question->is_answered = true;
    news_.post({grant, *priority});
    return;
  }
  // Of a Pod that ends the grant goes soon, too.
  if (++question->failures == 1) {
    log::info("shares", "the priority of Pod {}/{} is not known yet: {}",
              grant.space, grant.pod, priority.error().message());
  }
  question->not_before = after(settings_.backoff, question->failures);
}

/// It may be that of this Pod alone, too: the next is another's turn.
void PodPriorities::take_trouble(const Error& error, Question* question) {
  const bool is_denied = error.code() == ErrorCode::kPermissionDenied;
  if (!is_denied) not_before_ = after(settings_.backoff, ++failures_);
  if (question == nullptr) return;
  question->not_before = after(is_denied ? settings_.denied : settings_.backoff,
                               ++question->failures);
  question->is_in_trouble = true;
  problem_ = in_words(error);
  if (std::exchange(trouble_, error.code()) == error.code()) return;
  log::warning("shares", "{}", problem_);
}

void PodPriorities::tell_if_over() {
  const bool is_over = std::ranges::none_of(
      questions_, [](const auto& one) { return one.second.is_in_trouble; });
  if (!is_over || !trouble_) return;
  trouble_.reset();
  problem_.clear();
  failures_ = 0;
  not_before_ = TimePoint();
  log::info("shares", "all Pods can be asked for their priority again");
}

TimePoint PodPriorities::after(const kube::BackoffRules& rules,
                               unsigned attempt) const {
  return clock_.now() + kube::retry_delay(rules, attempt, std::nullopt,
                                          settings_.client.chance());
}

}  // namespace gpunode::plugin
