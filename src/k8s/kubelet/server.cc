#include "k8s/kubelet/server.h"

#include <csignal>
#include <map>
#include <thread>
#include <utility>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <pthread.h>

#include "base/core/clock.h"
#include "base/core/mutex.h"
#include "k8s/kubelet/call.h"
#include "k8s/kubelet/connections.h"
#include "k8s/kubelet/event_engine.h"
#include "k8s/kubelet/served_resource.h"

namespace gpunode::kubelet {
namespace {

// Calls in flight on one connection; the kubelet has two or three.
constexpr int kMaxCallsPerConnection = 64;

// A preferred allocation among 8000 devices asks with half a megabyte. Granted
// from the beginning, it needs no round trips; measuring the connection
// instead, as gRPC does if let, costs timers, which cost a second timer thread.
constexpr int kReceiveWindow = 1 << 20;

// Threads made while this lives never take the process's signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

class DevicePluginServer::Impl {
 public:
  Impl() = default;
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> start(AcceptOn accept_on);
  Result<void> add(std::shared_ptr<ServedResource> resource,
                   const std::string& socket_path) EXCLUDES(mutex_);
  std::shared_ptr<ServedResource> find(const std::string& name) const
      EXCLUDES(mutex_);
  void remove(const std::string& name, std::chrono::milliseconds farewell)
      EXCLUDES(mutex_);
  Result<bool> restore_socket(const std::string& name, IfTaken if_taken)
      EXCLUDES(mutex_);
  std::vector<ResourceStats> stats() const EXCLUDES(mutex_);
  std::vector<Result<void>> register_with(
      const std::string& kubelet_socket,
      const std::vector<Registration>& registrations,
      std::chrono::milliseconds timeout);
  Connections& connections() { return *connections_; }

 private:
  struct Served {
    std::shared_ptr<ServedResource> resource;
    std::string socket_path;
  };

  void drain();

  AcceptOn accept_on_ = AcceptOn::kOwnThread;
  CallSource source_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Connections> connections_;
  std::thread thread_;

  mutable Mutex mutex_;
  std::map<std::string, Served> served_ GUARDED_BY(mutex_);
};

Result<void> DevicePluginServer::Impl::start(AcceptOn accept_on) {
  const SignalsBlocked blocked;
  use_one_thread_engine();
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             kMaxCallsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                             kReceiveWindow);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder.RegisterAsyncGenericService(&source_.service);
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (!server_) {
    return Error(ErrorCode::kInternal, "start the gRPC server: refused");
  }
  TRY(connections_,
      Connections::open(kMaxConnections, [this](UniqueFd connection) {
        grpc::AddInsecureChannelFromFd(server_.get(), connection.release());
      }));
  source_.queue = queue_.get();
  source_.connections = connections_.get();
  source_.find = [this](const std::string& name) { return find(name); };
  Call::await(source_);
  accept_on_ = accept_on;
  if (accept_on == AcceptOn::kOwnThread) connections_->start_thread();
  thread_ = std::thread([this] { drain(); });
  return {};
}

DevicePluginServer::Impl::~Impl() {
  // In this order: no new connections, no new calls, the old ones cancelled,
  // which drain() must be there to see.
  if (connections_) connections_->stop();
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  if (thread_.joinable()) source_.live.wait_until_none();
  if (queue_) queue_->Shutdown();
  if (thread_.joinable()) {
    thread_.join();
  } else if (queue_) {
    drain();
  }
}

void DevicePluginServer::Impl::drain() {
  ::pthread_setname_np(::pthread_self(), "kubelet-calls");
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) Call::proceed(tag, ok);
}

Result<void> DevicePluginServer::Impl::add(
    std::shared_ptr<ServedResource> resource, const std::string& socket_path) {
  const MutexLock lock(mutex_);
  const std::string& name = resource->name();
  if (served_.count(name) != 0) {
    return Error(ErrorCode::kAlreadyExists, name + " is served already");
  }
  TRY(auto socket, ListeningSocket::bind(socket_path));
  TRY_VOID(connections_->listen(name, std::move(socket)));
  served_.emplace(name, Served{std::move(resource), socket_path});
  return {};
}

std::shared_ptr<ServedResource> DevicePluginServer::Impl::find(
    const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto found = served_.find(name);
  return found == served_.end() ? nullptr : found->second.resource;
}

void DevicePluginServer::Impl::remove(const std::string& name,
                                      std::chrono::milliseconds farewell) {
  std::shared_ptr<ServedResource> leaving;
  {
    const MutexLock lock(mutex_);
    const auto found = served_.find(name);
    if (found == served_.end()) return;
    leaving = std::move(found->second.resource);
    served_.erase(found);
    connections_->stop_listening(name);
  }
  const TimePoint until = SystemClock().now() + farewell;
  const bool stands_in = accept_on_ == AcceptOn::kCallersLoop;
  const SignalsBlocked blocked;
  if (stands_in) connections_->start_thread();
  const bool is_taken = leaving->say_farewell(until);
  // gRPC says that the list is sent when it has it, not when the socket has.
  connections_->drop(name, is_taken ? until : TimePoint());
  if (stands_in) connections_->stop_thread();
}

Result<bool> DevicePluginServer::Impl::restore_socket(const std::string& name,
                                                      IfTaken if_taken) {
  const MutexLock lock(mutex_);
  const auto found = served_.find(name);
  if (found == served_.end()) {
    return Error(ErrorCode::kNotFound, name + " is not served");
  }
  if (connections_->is_reachable(name)) return false;
  // Another plugin that listens there may be our successor; two that took the
  // socket from each other would never end.
  constexpr std::chrono::milliseconds kAnswer{50};
  if (if_taken == IfTaken::kLeave &&
      connect_unix(found->second.socket_path, kAnswer)) {
    return Error(ErrorCode::kAlreadyExists,
                 "somebody else listens on " + found->second.socket_path);
  }
  TRY(auto socket, ListeningSocket::bind(found->second.socket_path));
  TRY_VOID(connections_->listen(name, std::move(socket)));
  return true;
}

std::vector<ResourceStats> DevicePluginServer::Impl::stats() const {
  const MutexLock lock(mutex_);
  std::vector<ResourceStats> all;
  for (const auto& [name, served] : served_) {
    ResourceStats stats = served.resource->stats();
    const Connections::Count count = connections_->count(name);
    stats.connections_open = count.open;
    stats.connections_refused = count.refused;
    all.push_back(std::move(stats));
  }
  return all;
}

std::vector<Result<void>> DevicePluginServer::Impl::register_with(
    const std::string& kubelet_socket,
    const std::vector<Registration>& registrations,
    std::chrono::milliseconds timeout) {
  // The caller's loop stands still while it waits for answers that the
  // kubelet gives only once it has been accepted.
  const bool stands_in = accept_on_ == AcceptOn::kCallersLoop;
  const SignalsBlocked blocked;
  if (stands_in) connections_->start_thread();
  auto results = register_plugins(kubelet_socket, registrations, timeout);
  if (stands_in) connections_->stop_thread();
  return results;
}

DevicePluginServer::DevicePluginServer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}

DevicePluginServer::~DevicePluginServer() = default;

Result<std::unique_ptr<DevicePluginServer>> DevicePluginServer::start(
    AcceptOn accept_on) {
  auto impl = std::make_unique<Impl>();
  TRY_VOID(impl->start(accept_on));
  return std::unique_ptr<DevicePluginServer>(
      new DevicePluginServer(std::move(impl)));
}

Result<void> DevicePluginServer::add(
    const std::string& resource_name, const std::string& socket_path,
    std::shared_ptr<const DevicePluginHandler> handler,
    const std::vector<Device>& devices) {
  return impl_->add(std::make_shared<ServedResource>(
                        resource_name, std::move(handler), devices),
                    socket_path);
}

void DevicePluginServer::publish(const std::string& resource_name,
                                 const std::vector<Device>& devices) {
  if (const auto resource = impl_->find(resource_name)) {
    resource->publish(devices);
  }
}

void DevicePluginServer::replace_handler(
    const std::string& resource_name,
    std::shared_ptr<const DevicePluginHandler> handler) {
  if (const auto resource = impl_->find(resource_name)) {
    resource->set_handler(std::move(handler));
  }
}

void DevicePluginServer::remove(const std::string& resource_name,
                                std::chrono::milliseconds farewell) {
  impl_->remove(resource_name, farewell);
}

Result<bool> DevicePluginServer::restore_socket(
    const std::string& resource_name, IfTaken if_taken) {
  return impl_->restore_socket(resource_name, if_taken);
}

std::vector<ResourceStats> DevicePluginServer::stats() const {
  return impl_->stats();
}

int DevicePluginServer::poll_fd() const {
  return impl_->connections().poll_fd();
}

void DevicePluginServer::process() {
  impl_->connections().process();
}

std::vector<Result<void>> DevicePluginServer::register_with(
    const std::string& kubelet_socket,
    const std::vector<Registration>& registrations,
    std::chrono::milliseconds timeout) {
  return impl_->register_with(kubelet_socket, registrations, timeout);
}

}  // namespace gpunode::kubelet
