// What a watch does next: list, watch from there, or wait. Pure.
//
//   list ──▶ watch ──▶ ended ──▶ watch from the last version seen
//    ▲         │
//    └──────── 410 Gone: the server forgot that version
//
// Whatever fails is tried again after a growing, jittered wait; a wait ends its
// growth only when a watch has shown that it works.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "k8s/api/backoff.h"

namespace gpunode::kube {

class WatchPlan {
 public:
  enum class Step {
    kList,   ///< Everything, from version().
    kWatch,  ///< Changes after version().
    kPause,  ///< Nothing, for delay().
  };

  explicit WatchPlan(BackoffRules rules = {}) : rules_(rules) {}

  Step next() const;

  /// For kList: "0", what the server has at hand, or empty, the newest, after
  /// what it had at hand turned out to be too old. For kWatch: where to start.
  const std::string& version() const { return version_; }

  std::chrono::milliseconds delay() const { return delay_; }

  // What came of a step.

  /// The pause is over.
  void paused() { delay_ = std::chrono::milliseconds(0); }

  /// All pages are read. An empty version is as failed().
  void listed(std::string version, double chance);

  /// An object or a bookmark came.
  void saw(const std::string& version);

  /// The server ended the watch in order. One that showed nothing in
  /// `lifetime` less than a second is as failed(): we would only ask again and
  /// again.
  void ended(std::chrono::milliseconds lifetime, double chance);

  /// Where we were is of no use any more, as the server has forgotten it (410)
  /// or what came cannot be understood: list anew, the first time nearly at
  /// once.
  void lost(double chance);

  /// Anything else. Every fourth time in a row it lists anew: a server that
  /// came back with another history refuses in many ways.
  void failed(std::optional<std::chrono::seconds> retry_after, double chance);

 private:
  void forget();

  BackoffRules rules_;
  bool has_list_ = false;
  bool has_seen_ = false;  ///< Something in this watch.
  std::string version_ = "0";
  unsigned failures_ = 0;
  std::chrono::milliseconds delay_{};
};

}  // namespace gpunode::kube
