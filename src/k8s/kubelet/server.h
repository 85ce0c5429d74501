// The device plugin's side of the kubelet API, for every resource of a node.
//
// One gRPC server and one completion queue serve any number of resources; the
// kubelet wants a socket for each. We accept on those sockets ourselves and
// hand the connections to gRPC, so that a call's connection tells its resource
// and the number of threads depends neither on resources nor on cores.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "k8s/kubelet/handler.h"
#include "k8s/kubelet/registration.h"

namespace gpunode::kubelet {

/// How often a method was called since the resource was added.
struct CallStats {
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;           ///< Answered with an error.
  std::chrono::nanoseconds spent{0};  ///< In the handler, all calls together.
};

/// A resource's counters, for metrics. Read together, not atomically.
struct ResourceStats {
  std::string resource_name;
  CallStats allocate;
  CallStats preferred_allocation;
  std::uint64_t list_updates = 0;  ///< Lists published.
  std::size_t devices = 0;         ///< In the list published last.
  std::size_t streams_open = 0;    ///< ListAndWatch: 1 = kubelet is on.
  std::size_t connections_open = 0;
  std::uint64_t connections_refused = 0;  ///< Beyond kMaxConnections.
};

/// Connections open on one socket at a time. The kubelet holds one. When all
/// are taken, the oldest without a call in flight gives way to a newcomer, so
/// that clients which connect and do nothing cannot keep the kubelet out; if
/// none is idle, the newcomer is closed.
inline constexpr std::size_t kMaxConnections = 32;

/// Who accepts connections.
enum class AcceptOn {
  kOwnThread,
  kCallersLoop,  ///< The caller polls poll_fd(): one thread less.
};

/// What becomes of a socket on which somebody else has come to listen.
enum class IfTaken { kLeave, kTake };

/// Serves resources to the kubelet. Methods may be called from any thread.
///
/// Handlers run on the server's one call thread and must not block: a call
/// that waits makes every resource wait. All signals are blocked on the
/// server's threads.
class DevicePluginServer {
 public:
  static Result<std::unique_ptr<DevicePluginServer>> start(
      AcceptOn accept_on = AcceptOn::kOwnThread);

  /// Ends every stream and call at once, without an empty list: a kubelet
  /// keeps the capacity of a plugin that went away for five minutes, which is
  /// what a restart wants. remove() first if the devices are to vanish now.
  /// Returns promptly (tens of milliseconds) even if clients hang.
  ~DevicePluginServer();
  DevicePluginServer(const DevicePluginServer&) = delete;
  DevicePluginServer& operator=(const DevicePluginServer&) = delete;

  /// Listens on `socket_path` (mode 0600) and serves `devices` there. A stale
  /// socket is replaced. kAlreadyExists: the resource is served already, or
  /// the path is taken by something that is not a socket, which is left alone;
  /// kInvalidArgument: the path is longer than a socket's may be (107 bytes);
  /// otherwise what the directory answers (missing, read-only, full).
  Result<void> add(const std::string& resource_name,
                   const std::string& socket_path,
                   std::shared_ptr<const DevicePluginHandler> handler,
                   const std::vector<Device>& devices);

  /// Makes `devices` the resource's list and sends it to every open stream. A
  /// stream whose client is slow skips to the latest list. Like
  /// replace_handler() and remove(), does nothing for a name not served.
  void publish(const std::string& resource_name,
               const std::vector<Device>& devices);

  /// Calls that arrive from now on go to `handler`; streams stay open.
  void replace_handler(const std::string& resource_name,
                       std::shared_ptr<const DevicePluginHandler> handler);

  /// Stops listening, sends a last, empty list, so that the kubelet drops the
  /// capacity now, and closes the connections. Waits for clients to take the
  /// list and close, at most `farewell`. With kCallersLoop, and as for
  /// register_with(), on the loop's thread.
  void remove(const std::string& resource_name,
              std::chrono::milliseconds farewell = kFarewell);
  static constexpr std::chrono::milliseconds kFarewell{200};

  /// Listens anew if the socket's file is gone or nobody listens on it, as
  /// after a kubelet restart, which empties the directory; open streams stay.
  /// Returns whether it listens anew, or as add(). kAlreadyExists, too, if
  /// somebody else listens there and is to be left. kNotFound: a name not
  /// served.
  Result<bool> restore_socket(const std::string& resource_name,
                              IfTaken if_taken = IfTaken::kLeave);

  std::vector<ResourceStats> stats() const;

  /// register_plugins() for resources served here. Dialling back is how the
  /// kubelet answers: with kCallersLoop a thread accepts in the caller's stead
  /// while this waits, and ends with it.
  std::vector<Result<void>> register_with(
      const std::string& kubelet_socket,
      const std::vector<Registration>& registrations,
      std::chrono::milliseconds timeout);

  /// With kCallersLoop: readable (poll, epoll) when process() is to be called,
  /// which accepts new connections, notices ended ones and does not block.
  int poll_fd() const;
  void process();

 private:
  class Impl;
  explicit DevicePluginServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace gpunode::kubelet
