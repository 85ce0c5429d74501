// Asks again and again, each source in its own time, while somebody watches.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "apps/gpunode/top/collector.h"
#include "apps/gpunode/top/lately.h"
#include "apps/gpunode/top/snapshot.h"
#include "base/core/unique_fd.h"

namespace gpunode::top {

/// A thread for each source, so that one that hangs keeps neither keys nor the
/// others waiting. Its end waits for the last answers.
class Watcher {
 public:
  /// `runner` must outlive it, and be for several threads.
  Watcher(Sources sources, std::chrono::seconds interval,
          host::CommandRunner& runner);

  /// Readable when there is a newer one.
  int news_fd() const { return news_.get(); }

  /// The newest; null: nobody has answered yet.
  std::shared_ptr<const Snapshot> newest();

 private:
  using Time = std::chrono::steady_clock::time_point;

  struct Source {
    const char* name;
    bool has_answered = false;
    std::optional<Time> asked_at = {};  ///< While it has not answered.
  };

  template <class Part>
  void repeat(const std::stop_token& stop, Source& source,
              Part (Collector::*ask)() const);
  void publish();  // Under the lock.

  const std::chrono::seconds interval_;
  const Collector collector_;
  UniqueFd news_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  Gathered all_;
  Lately lately_;
  std::array<Source, 3> sources_ = {{{"driver"}, {"agent"}, {"shares"}}};
  std::shared_ptr<const Snapshot> newest_;
  std::array<std::jthread, 3> threads_;  // The last: they use the others.
};

}  // namespace gpunode::top
