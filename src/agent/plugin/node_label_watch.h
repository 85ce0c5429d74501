// One label of one Node, watched by a thread of its own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "agent/plugin/cluster_thread.h"
#include "agent/plugin/mailbox.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/backoff.h"
#include "k8s/api/client.h"
#include "k8s/api/credentials.h"

namespace gpunode::plugin {

/// What the API server says. Told when it changes, and after a trouble.
struct LabelSeen {
  std::string value;  ///< Empty: the Node does not have it.
};

/// The label is not known, or not whether it is still so. What to do is in it.
struct LabelTrouble {
  std::string why;
};

using LabelNews = std::variant<LabelSeen, LabelTrouble>;

/// Asks for metadata alone, a twentieth of a Node, and gets changes pushed: a
/// quiet hour is a handful of requests, however often the kubelet writes its
/// Node's status. What fails is tried again with a growing, jittered wait
/// (watch_plan.h). The same trouble is told once.
class NodeLabelWatch {
 public:
  struct Settings {
    std::string node;
    std::string label;
    kube::BackoffRules backoff;
    kube::ClientOptions client;    ///< Its `pause` is that of the watch too.
    const Clock* clock = nullptr;  ///< Outlives it; null: the system's.
  };

  /// Fails as ClusterThread::make does. Anything else is news.
  static Result<std::unique_ptr<NodeLabelWatch>> start(
      Settings settings, std::unique_ptr<kube::Credentials> credentials);

  NodeLabelWatch(const NodeLabelWatch&) = delete;
  NodeLabelWatch& operator=(const NodeLabelWatch&) = delete;

  Mailbox<LabelNews>& news() { return news_; }

 private:
  NodeLabelWatch(Settings settings, std::unique_ptr<ClusterThread> thread);
  void run(kube::Client& client);

  const Settings settings_;
  Mailbox<LabelNews> news_;
  // Last: it uses all of the above.
  const std::unique_ptr<ClusterThread> thread_;
};

}  // namespace gpunode::plugin
