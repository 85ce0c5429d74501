#include "agent/plugin/cluster_thread.h"

#include <utility>

#include "k8s/api/resource_path.h"

namespace gpunode::plugin {

Result<std::unique_ptr<ClusterThread>> ClusterThread::make(
    const std::string& node, std::unique_ptr<kube::Credentials> credentials,
    kube::ClientOptions options) {
  TRY_VOID(kube::object_path(kube::nodes(), {"", node}));
  return make(std::move(credentials), std::move(options));
}

Result<std::unique_ptr<ClusterThread>> ClusterThread::make(
    std::unique_ptr<kube::Credentials> credentials,
    kube::ClientOptions options) {
  TRY(http::Cancellation cancellation, http::Cancellation::make());
  return std::unique_ptr<ClusterThread>(new ClusterThread(
      std::move(credentials), std::move(options), std::move(cancellation)));
}

void ClusterThread::start(std::function<void(kube::Client&)> run) {
  thread_ = std::thread([this, run = std::move(run)] {
    kube::Client client(*credentials_, &cancellation_, options_);
    run(client);
  });
}

void ClusterThread::stop() {
  call_off();
  if (thread_.joinable()) thread_.join();
}

}  // namespace gpunode::plugin
