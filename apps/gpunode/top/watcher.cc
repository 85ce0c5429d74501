#include "apps/gpunode/top/watcher.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace gpunode::top {
namespace {

/// An answer that takes longer is no longer of this moment.
constexpr std::chrono::seconds kSlow{5};

}  // namespace

Watcher::Watcher(Sources sources, std::chrono::seconds interval,
                 host::CommandRunner& runner)
    : interval_(interval),
      collector_(std::move(sources), runner),
      news_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  threads_[0] = std::jthread([this](const std::stop_token& stop) {
    repeat(stop, sources_[0], &Collector::ask_driver);
  });
  threads_[1] = std::jthread([this](const std::stop_token& stop) {
    repeat(stop, sources_[1], &Collector::ask_agent);
  });
  threads_[2] = std::jthread([this](const std::stop_token& stop) {
    repeat(stop, sources_[2], &Collector::read_accounts);
  });
}

std::shared_ptr<const Snapshot> Watcher::newest() {
  std::uint64_t count = 0;
  static_cast<void>(::read(news_.get(), &count, sizeof count));
  const std::lock_guard lock(mutex_);
  return newest_;
}

template <class Part>
void Watcher::repeat(const std::stop_token& stop, Source& source,
                     Part (Collector::*ask)() const) {
  while (!stop.stop_requested()) {
    {
      const std::lock_guard lock(mutex_);
      source.asked_at = std::chrono::steady_clock::now();
    }
    Part part = (collector_.*ask)();
    std::unique_lock lock(mutex_);
    source.asked_at.reset();
    source.has_answered = true;
    put(std::move(part), all_);
    publish();
    ended_.wait_for(lock, stop, interval_, [] { return false; });
  }
}

void Watcher::publish() {
  Gathered now = collector_.begin();
  all_.host = std::move(now.host);
  all_.time = std::move(now.time);
  all_.awaited.clear();
  for (const Source& source : sources_) {
    const bool is_slow =
        source.asked_at &&
        std::chrono::steady_clock::now() - *source.asked_at > kSlow;
    if (!source.has_answered || is_slow) all_.awaited.emplace_back(source.name);
  }
  Snapshot snapshot = assemble(all_);
  lately_.note(snapshot.counted, snapshot);
  newest_ = std::make_shared<const Snapshot>(std::move(snapshot));
  const std::uint64_t one = 1;
  static_cast<void>(::write(news_.get(), &one, sizeof one));
}

}  // namespace gpunode::top
