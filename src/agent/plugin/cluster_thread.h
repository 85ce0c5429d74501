// A thread that speaks with the API server, beside the agent's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/core/result.h"
#include "base/http/cancellation.h"
#include "k8s/api/client.h"
#include "k8s/api/credentials.h"

namespace gpunode::plugin {

/// A client with all that it takes, on a thread of its own. What the client
/// waits for is called off when the thread is to end.
class ClusterThread {
 public:
  /// For the affairs of one Node. Fails when the process is out of descriptors,
  /// and for a name that no Node can have. Asks nothing of the server.
  static Result<std::unique_ptr<ClusterThread>> make(
      const std::string& node, std::unique_ptr<kube::Credentials> credentials,
      kube::ClientOptions options);

  /// stop(), if nobody did.
  ~ClusterThread() { stop(); }
  ClusterThread(const ClusterThread&) = delete;
  ClusterThread& operator=(const ClusterThread&) = delete;

  /// The same for affairs of no Node.
  static Result<std::unique_ptr<ClusterThread>> make(
      std::unique_ptr<kube::Credentials> credentials,
      kube::ClientOptions options);

  /// Once. `run` returns soon after the cancellation of its client.
  void start(std::function<void(kube::Client&)> run);

  /// Ends the call in progress and the thread. Any number of times, by the
  /// thread that started it.
  void stop();

  /// Ends the call in progress and all that follow.
  void call_off() const { cancellation_.cancel(); }
  bool is_called_off() const { return cancellation_.is_cancelled(); }

 private:
  ClusterThread(std::unique_ptr<kube::Credentials> credentials,
                kube::ClientOptions options, http::Cancellation cancellation)
      : credentials_(std::move(credentials)),
        options_(std::move(options)),
        cancellation_(std::move(cancellation)) {}

  const std::unique_ptr<kube::Credentials> credentials_;
  const kube::ClientOptions options_;
  const http::Cancellation cancellation_;
  std::thread thread_;
};

}  // namespace gpunode::plugin
