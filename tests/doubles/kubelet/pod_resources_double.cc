#include "tests/doubles/kubelet/pod_resources_double.h"

#include <chrono>
#include <utility>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "k8s/kubelet/deviceplugin.grpc.pb.h"
#include "k8s/kubelet/podresources.grpc.pb.h"
#include "k8s/kubelet/podresources_v1alpha1.grpc.pb.h"

namespace gpunode::doubles {

class PodResourcesDouble::Server {
 public:
  explicit Server(PodResourcesDouble& owner)
      : v1_(*this), v1alpha1_(*this), owner_(owner) {}

  bool listen(const std::filesystem::path& socket, PodResourcesForm form) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("unix:" + socket.string(),
                             grpc::InsecureServerCredentials(), &port);
    builder.SetSyncServerOption(
        grpc::ServerBuilder::SyncServerOption::CQ_TIMEOUT_MSEC, 50);
    if (form == PodResourcesForm::kV1) builder.RegisterService(&v1_);
    if (form == PodResourcesForm::kV1Alpha1) {
      builder.RegisterService(&v1alpha1_);
    }
    // As on the kubelet's other socket.
    if (form == PodResourcesForm::kNeither) builder.RegisterService(&other_);
    server_ = builder.BuildAndStart();
    return server_ != nullptr && port != 0;
  }

  void shut_down() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
  }

  grpc::Status list(v1::ListPodResourcesResponse& response) {
    {
      const MutexLock lock(owner_.mutex_);
      ++owner_.asked_;
      owner_.changed_.notify_all();
      while (owner_.is_hanging_ && !owner_.is_stopping_) {
        owner_.changed_.wait(owner_.mutex_);
      }
      if (!owner_.refusal_.empty()) {
        return {grpc::StatusCode::UNKNOWN, owner_.refusal_};
      }
    }
    // An entry for each, as a kubelet may do: who reads joins them.
    for (const kubelet::Holding& holding : owner_.tell_()) {
      v1::PodResources& pod = *response.add_pod_resources();
      pod.set_name(holding.pod);
      pod.set_namespace_(holding.pod_namespace);
      v1::ContainerResources& container = *pod.add_containers();
      container.set_name(holding.container);
      for (const std::string& id : holding.ids) {
        v1::ContainerDevices& devices = *container.add_devices();
        devices.set_resource_name(holding.resource);
        devices.add_device_ids(id);
      }
    }
    return grpc::Status::OK;
  }

 private:
  struct V1 final : v1::PodResourcesLister::Service {
    explicit V1(Server& server) : server_(server) {}
    grpc::Status List(grpc::ServerContext* /*context*/,
                      const v1::ListPodResourcesRequest* /*request*/,
                      v1::ListPodResourcesResponse* response) override {
      return server_.list(*response);
    }
    Server& server_;
  };
  struct V1Alpha1 final : v1alpha1::PodResourcesLister::Service {
    explicit V1Alpha1(Server& server) : server_(server) {}
    grpc::Status List(grpc::ServerContext* /*context*/,
                      const v1::ListPodResourcesRequest* /*request*/,
                      v1::ListPodResourcesResponse* response) override {
      return server_.list(*response);
    }
    Server& server_;
  };

  V1 v1_;
  V1Alpha1 v1alpha1_;
  v1beta1::Registration::Service other_;
  PodResourcesDouble& owner_;
  std::unique_ptr<grpc::Server> server_;
};

PodResourcesDouble::PodResourcesDouble(Tell tell) : tell_(std::move(tell)) {}

Result<std::unique_ptr<PodResourcesDouble>> PodResourcesDouble::start(
    const std::filesystem::path& socket, PodResourcesForm form, Tell tell) {
  std::unique_ptr<PodResourcesDouble> made(
      new PodResourcesDouble(std::move(tell)));
  made->server_ = std::make_unique<Server>(*made);
  if (!made->server_->listen(socket, form)) {
    return Error(ErrorCode::kInternal, "listen on " + socket.string());
  }
  return made;
}

PodResourcesDouble::~PodResourcesDouble() {
  {
    const MutexLock lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
  }
  server_->shut_down();
}

void PodResourcesDouble::hang(bool is_hanging) {
  const MutexLock lock(mutex_);
  is_hanging_ = is_hanging;
  changed_.notify_all();
}

void PodResourcesDouble::refuse(std::string message) {
  const MutexLock lock(mutex_);
  refusal_ = std::move(message);
}

std::uint64_t PodResourcesDouble::asked() const {
  const MutexLock lock(mutex_);
  return asked_;
}

}  // namespace gpunode::doubles
