#include "k8s/api/watcher.h"

#include <utility>

namespace gpunode::kube {
namespace {

constexpr int kBadRequest = 400;
constexpr int kGone = 410;

// As client-go: watches end at different times on different nodes.
std::chrono::seconds lifetime_of(double chance) {
  constexpr double kShortest = 300;
  return std::chrono::seconds(
      static_cast<long long>(kShortest + kShortest * chance));
}

}  // namespace

/// Cuts a stream of pieces into lines.
class Watcher::Lines {
 public:
  /// Calls `take` with every whole line. False if a line grows too long.
  template <class Take>
  bool add(std::string_view piece, Take take) {
    pending_ += piece;
    std::size_t begin = 0;
    for (;;) {
      const std::size_t end = pending_.find('\n', searched_);
      if (end == std::string::npos) break;
      const std::string_view line(pending_.data() + begin, end - begin);
      if (!line.empty()) take(line);
      begin = searched_ = end + 1;
    }
    pending_.erase(0, begin);
    searched_ = pending_.size();
    // A large object must not be kept for the rest of the watch.
    constexpr std::size_t kKept = 65536;
    if (pending_.empty() && pending_.capacity() > kKept) pending_ = {};
    return pending_.size() <= kMaxLineBytes;
  }

 private:
  std::string pending_;
  std::size_t searched_ = 0;  ///< No line feed before it.
};

Watcher::Watcher(Client& client, const Clock& clock, Chance chance,
                 std::function<bool(std::chrono::milliseconds)> pause,
                 BackoffRules rules)
    : client_(client),
      clock_(clock),
      chance_(std::move(chance)),
      pause_(std::move(pause)),
      plan_(rules) {}

bool Watcher::is_called_off() const {
  const http::Cancellation* cancellation = client_.cancellation();
  return cancellation != nullptr && cancellation->is_cancelled();
}

void Watcher::run(const ResourceType& type, const Selection& selection,
                  WatchHandler& handler) {
  while (!is_called_off()) {
    switch (plan_.next()) {
      case WatchPlan::Step::kList:
        list(type, selection, handler);
        break;
      case WatchPlan::Step::kWatch:
        watch(type, selection, handler);
        break;
      case WatchPlan::Step::kPause:
        if (!pause_(plan_.delay())) return;
        plan_.paused();
        break;
    }
  }
}

void Watcher::list(const ResourceType& type, const Selection& selection,
                   WatchHandler& handler) {
  std::vector<std::string> objects;
  std::string continuation;
  std::string version;
  do {
    auto page = client_.list(type, selection, plan_.version(), continuation);
    if (!page) {
      fail(page.error(), handler);
      return;
    }
    for (std::string& object : page->objects) {
      objects.push_back(std::move(object));
    }
    version = std::move(page->resource_version);
    continuation = std::move(page->continuation);
  } while (!continuation.empty());
  plan_.listed(std::move(version), chance_());
  handler.replaced(std::move(objects));
}

void Watcher::take_line(std::string_view line, WatchHandler& handler,
                        std::optional<Answer>& refusal,
                        std::optional<Error>& trouble) {
  auto event = read_watch_line(line);
  if (!event) {
    trouble = std::move(event).error();
    return;
  }
  if (event->type == "ERROR") {
    const ApiStatus status = read_api_status(event->object);
    refusal = Answer{status.code, event->object, std::nullopt};
    if (status.retry_after_seconds > 0) {
      refusal->retry_after = std::chrono::seconds(status.retry_after_seconds);
    }
    return;
  }
  auto meta = read_object_meta(event->object);
  if (!meta) {
    trouble = std::move(meta).error();
    return;
  }
  plan_.saw(meta->resource_version);
  if (event->type == "ADDED" || event->type == "MODIFIED") {
    handler.changed(std::move(event->object));
  } else if (event->type == "DELETED") {
    handler.removed(std::move(event->object));
  } else {  // BOOKMARK has no news but its version; so have types yet unknown.
    handler.unchanged();
  }
}

void Watcher::watch(const ResourceType& type, const Selection& selection,
                    WatchHandler& handler) {
  const std::string attempted = "watch " + type.resource;
  std::optional<Answer> refusal;
  std::optional<Error> trouble;
  Lines lines;
  const TimePoint begin = clock_.now();
  auto answer = client_.watch(
      type, selection, plan_.version(), lifetime_of(chance_()),
      [&](std::string_view piece) {
        const bool is_short = lines.add(piece, [&](std::string_view line) {
          if (!refusal && !trouble) take_line(line, handler, refusal, trouble);
        });
        if (!is_short && !trouble) {
          trouble =
              Error(ErrorCode::kCorrupt, "a line of the watch is too long");
        }
        return !refusal && !trouble && !is_called_off();
      });
  if (is_called_off()) return;
  if (trouble) {
    plan_.lost(chance_());
    handler.troubled(std::move(*trouble).with_context(attempted),
                     plan_.delay());
  } else if (refusal) {
    refused(*refusal, attempted, handler);
  } else if (!answer) {
    fail(answer.error(), handler);
  } else if (!answer->is_good()) {
    refused(*answer, attempted, handler);
  } else {
    const auto lifetime = std::chrono::duration_cast<std::chrono::milliseconds>(
        clock_.now() - begin);
    plan_.ended(lifetime, chance_());
    handler.unchanged();
  }
}

void Watcher::refused(const Answer& answer, const std::string& attempted,
                      WatchHandler& handler) {
  // Of a bad request the version is what is bad: all else is as it ever was.
  if (answer.status == kGone || answer.status == kBadRequest) {
    plan_.lost(chance_());
  } else {
    plan_.failed(answer.retry_after, chance_());
  }
  handler.troubled(error_of(attempted, answer), plan_.delay());
}

void Watcher::fail(const Error& error, WatchHandler& handler) {
  if (is_called_off()) return;
  plan_.failed(std::nullopt, chance_());
  handler.troubled(error, plan_.delay());
}

}  // namespace gpunode::kube
