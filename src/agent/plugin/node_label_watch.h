// One label of one Node, watched by a thread of its own.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "agent/plugin/mailbox.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/http/cancellation.h"
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

  /// Fails when the process is out of descriptors, and for a name that no Node
  /// can have. Anything else is news.
  static Result<std::unique_ptr<NodeLabelWatch>> start(
      Settings settings, std::unique_ptr<kube::Credentials> credentials);

  /// Ends the call in progress and the thread.
  ~NodeLabelWatch();
  NodeLabelWatch(const NodeLabelWatch&) = delete;
  NodeLabelWatch& operator=(const NodeLabelWatch&) = delete;

  Mailbox<LabelNews>& news() { return news_; }

 private:
  NodeLabelWatch(Settings settings,
                 std::unique_ptr<kube::Credentials> credentials,
                 http::Cancellation cancellation);
  void run();

  const Settings settings_;
  const std::unique_ptr<kube::Credentials> credentials_;
  const http::Cancellation cancellation_;
  Mailbox<LabelNews> news_;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace gpunode::plugin
