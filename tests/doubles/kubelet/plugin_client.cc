#include "tests/doubles/kubelet/plugin_client.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <thread>
#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>

#include "base/core/mutex.h"
#include "base/core/unique_fd.h"
#include "k8s/kubelet/deviceplugin.grpc.pb.h"
#include "k8s/kubelet/listening_socket.h"

namespace gpunode::doubles {
namespace {

constexpr std::chrono::seconds kCallLimit{10};
// As the kubelet's dial options have it.
constexpr int kLargestMessage = 16 * 1024 * 1024;

std::vector<std::string> copy(
    const google::protobuf::RepeatedPtrField<std::string>& from) {
  return {from.begin(), from.end()};
}

void set_status(CallStatus& to, const grpc::Status& from) {
  to.code = static_cast<int>(from.error_code());
  to.message = from.error_message();
}

kubelet::ContainerAllocation to_plain(
    const v1beta1::ContainerAllocateResponse& from) {
  kubelet::ContainerAllocation to;
  to.envs.insert(from.envs().begin(), from.envs().end());
  to.annotations.insert(from.annotations().begin(), from.annotations().end());
  for (const auto& m : from.mounts()) {
    to.mounts.push_back({m.container_path(), m.host_path(), m.read_only()});
  }
  for (const auto& d : from.devices()) {
    to.devices.push_back({d.container_path(), d.host_path(), d.permissions()});
  }
  for (const auto& c : from.cdi_devices()) to.cdi_devices.push_back(c.name());
  return to;
}

DeviceList to_plain(const v1beta1::ListAndWatchResponse& from) {
  DeviceList list;
  list.devices.reserve(static_cast<std::size_t>(from.devices_size()));
  for (const auto& device : from.devices()) {
    kubelet::Device to{device.id(), device.health() == "Healthy", {}};
    for (const auto& node : device.topology().nodes()) {
      to.numa_nodes.push_back(node.id());
    }
    list.devices.push_back(std::move(to));
  }
  return list;
}

class GrpcPluginClient final : public PluginClient {
 public:
  GrpcPluginClient(UniqueFd hold, std::shared_ptr<grpc::Channel> channel)
      : hold_(std::move(hold)),
        channel_(std::move(channel)),
        stub_(v1beta1::DevicePlugin::NewStub(channel_)) {}
  GrpcPluginClient(const GrpcPluginClient&) = delete;
  GrpcPluginClient& operator=(const GrpcPluginClient&) = delete;

  ~GrpcPluginClient() override {
    watching_.TryCancel();
    set_reading(true);
    if (thread_.joinable()) thread_.join();
  }

  PluginOptions options() override {
    Limited call;
    v1beta1::DevicePluginOptions response;
    PluginOptions outcome;
    set_status(outcome, stub_->GetDevicePluginOptions(
                            &call.context, v1beta1::Empty(), &response));
    outcome.pre_start_required = response.pre_start_required();
    outcome.get_preferred_allocation_available =
        response.get_preferred_allocation_available();
    return outcome;
  }

  AllocateOutcome allocate(
      const std::vector<std::vector<std::string>>& containers) override {
    v1beta1::AllocateRequest request;
    for (const auto& ids : containers) {
      auto& container = *request.add_container_requests();
      for (const std::string& id : ids) container.add_devices_ids(id);
    }
    Limited call;
    v1beta1::AllocateResponse response;
    AllocateOutcome outcome;
    set_status(outcome, stub_->Allocate(&call.context, request, &response));
    for (const auto& container : response.container_responses()) {
      outcome.containers.push_back(to_plain(container));
    }
    return outcome;
  }

  PreferredOutcome prefer(
      const std::vector<kubelet::PreferredAllocationRequest>& containers)
      override {
    v1beta1::PreferredAllocationRequest request;
    for (const auto& wanted : containers) {
      auto& to = *request.add_container_requests();
      for (const auto& id : wanted.available) to.add_available_deviceids(id);
      for (const auto& id : wanted.must_include) {
        to.add_must_include_deviceids(id);
      }
      to.set_allocation_size(wanted.size);
    }
    Limited call;
    v1beta1::PreferredAllocationResponse response;
    PreferredOutcome outcome;
    set_status(outcome, stub_->GetPreferredAllocation(&call.context, request,
                                                      &response));
    for (const auto& container : response.container_responses()) {
      outcome.containers.push_back(copy(container.deviceids()));
    }
    return outcome;
  }

  CallStatus pre_start(const std::vector<std::string>& ids) override {
    v1beta1::PreStartContainerRequest request;
    for (const std::string& id : ids) request.add_devices_ids(id);
    Limited call;
    v1beta1::PreStartContainerResponse response;
    CallStatus outcome;
    set_status(outcome,
               stub_->PreStartContainer(&call.context, request, &response));
    return outcome;
  }

  void watch(std::function<void(DeviceList)> on_list,
             std::function<void(CallStatus)> on_end) override {
    thread_ =
        std::thread([this, on_list = std::move(on_list),
                     on_end = std::move(on_end)] { read(on_list, on_end); });
  }

  void set_reading(bool is_reading) override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    is_reading_ = is_reading;
    changed_.notify_all();
  }

  void cut() override { ::shutdown(hold_.get(), SHUT_RDWR); }

 private:
  struct Limited {
    Limited() {
      context.set_deadline(std::chrono::system_clock::now() + kCallLimit);
    }
    grpc::ClientContext context;
  };

  void read(const std::function<void(DeviceList)>& on_list,
            const std::function<void(CallStatus)>& on_end) EXCLUDES(mutex_) {
    const auto stream = stub_->ListAndWatch(&watching_, v1beta1::Empty());
    v1beta1::ListAndWatchResponse response;
    std::uint64_t number = 0;
    while (may_read() && stream->Read(&response)) {
      const auto now = std::chrono::steady_clock::now().time_since_epoch();
      DeviceList list = to_plain(response);
      list.number = ++number;
      list.arrived_ns = std::chrono::nanoseconds(now).count();
      on_list(std::move(list));
    }
    CallStatus end;
    set_status(end, stream->Finish());
    cut();  // The kubelet disconnects from a plugin whose stream has ended.
    on_end(std::move(end));
  }

  bool may_read() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!is_reading_) changed_.wait(mutex_);
    return true;
  }

  UniqueFd hold_;  // A duplicate of the channel's descriptor, for cut().
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1beta1::DevicePlugin::Stub> stub_;
  grpc::ClientContext watching_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  bool is_reading_ GUARDED_BY(mutex_) = true;
  std::thread thread_;
};

}  // namespace

std::size_t DeviceList::healthy() const {
  return static_cast<std::size_t>(
      std::count_if(devices.begin(), devices.end(),
                    [](const auto& device) { return device.is_healthy; }));
}

Result<std::unique_ptr<PluginClient>> PluginClient::connect(
    const std::string& socket) {
  TRY(UniqueFd fd, kubelet::connect_unix(socket, kCallLimit));
  UniqueFd hold(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kLargestMessage);
  // Otherwise the windows grow with what is sent, and a client that does not
  // read is found out megabytes later.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  auto channel = grpc::CreateCustomInsecureChannelFromFd(
      "localhost", fd.release(), arguments);
  return std::unique_ptr<PluginClient>(
      std::make_unique<GrpcPluginClient>(std::move(hold), std::move(channel)));
}

}  // namespace gpunode::doubles
