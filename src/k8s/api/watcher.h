// The I/O of a watch: does what the plan says until it is called off.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/watch_plan.h"

namespace gpunode::kube {

/// What a watch tells, on its own thread. Objects are JSON.
class WatchHandler {
 public:
  virtual ~WatchHandler() = default;

  /// These are all there are: at first, and after the server has forgotten
  /// where we were.
  virtual void replaced(std::vector<std::string> objects) = 0;
  virtual void changed(std::string object) = 0;  ///< New or other than before.
  virtual void removed(std::string object) = 0;  ///< As it was at last.

  /// Nothing is new, and the server says so: the end of a trouble, when nothing
  /// has changed meanwhile.
  virtual void unchanged() {}

  /// Something does not work and is tried again after `wait`. What was told
  /// before still stands as the last that is known.
  virtual void troubled(const Error& why, std::chrono::milliseconds wait) = 0;
};

class Watcher {
 public:
  /// The longest line that is read: etcd holds 1.5 MiB an object.
  static constexpr std::size_t kMaxLineBytes = std::size_t{4} << 20U;

  /// A client of its own: a watch keeps its connection. `pause` as in
  /// ClientOptions. All outlive it.
  Watcher(Client& client, const Clock& clock, Chance chance,
          std::function<bool(std::chrono::milliseconds)> pause,
          BackoffRules rules = {});

  /// Watches until the client's cancellation is raised, or `pause` says false.
  void run(const ResourceType& type, const Selection& selection,
           WatchHandler& handler);

 private:
  class Lines;

  void list(const ResourceType& type, const Selection& selection,
            WatchHandler& handler);
  void watch(const ResourceType& type, const Selection& selection,
             WatchHandler& handler);
  void take_line(std::string_view line, WatchHandler& handler,
                 std::optional<Answer>& refusal, std::optional<Error>& trouble);
  void refused(const Answer& answer, const std::string& attempted,
               WatchHandler& handler);
  void fail(const Error& error, WatchHandler& handler);
  bool is_called_off() const;

  Client& client_;
  const Clock& clock_;
  Chance chance_;
  std::function<bool(std::chrono::milliseconds)> pause_;
  WatchPlan plan_;
};

}  // namespace gpunode::kube
