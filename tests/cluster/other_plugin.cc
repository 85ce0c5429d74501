/// Another device plugin for the cluster test, as far as a node can tell:
/// NVIDIA's socket name, resource, ids and answers, and a process that is no
/// agent of ours. Serves the ids it is given until SIGTERM, then takes its
/// socket away.
///
///     gpunode-cluster-other-plugin ID...

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "k8s/kubelet/registration.h"
#include "k8s/kubelet/server.h"

namespace gpunode {
namespace {

constexpr const char* kResource = "nvidia.com/gpu";
constexpr const char* kEndpoint = "nvidia-gpu.sock";
const std::string kDirectory = "/var/lib/kubelet/device-plugins/";

/// The GPU's name in the container's environment; the runtime does the rest.
class Handler final : public kubelet::DevicePluginHandler {
 public:
  Result<kubelet::ContainerAllocation> allocate(
      const std::vector<std::string>& device_ids) const override {
    kubelet::ContainerAllocation allocation;
    std::string& visible = allocation.envs["NVIDIA_VISIBLE_DEVICES"];
    for (const std::string& id : device_ids) {
      visible += (visible.empty() ? "" : ",") + id.substr(0, id.find("::"));
    }
    return allocation;
  }

  Result<std::vector<std::string>> preferred_allocation(
      const kubelet::PreferredAllocationRequest& request) const override {
    return std::vector<std::string>(request.available.begin(),
                                    request.available.begin() + request.size);
  }
};

int fail(const Error& error) {
  std::fprintf(stderr, "other-plugin: %s\n", error.message().c_str());
  return 1;
}

int serve(const std::vector<kubelet::Device>& devices, const sigset_t& ending) {
  auto server = kubelet::DevicePluginServer::start();
  if (!server) return fail(server.error());
  // As NVIDIA's does: whoever listens there has its socket taken away.
  ::unlink((kDirectory + kEndpoint).c_str());
  const auto added = (*server)->add(kResource, kDirectory + kEndpoint,
                                    std::make_shared<Handler>(), devices);
  if (!added) return fail(added.error());
  const auto registered =
      kubelet::register_plugin(kDirectory + "kubelet.sock",
                               {kEndpoint, kResource}, std::chrono::seconds(5));
  if (!registered) return fail(registered.error());
  std::fprintf(stderr, "other-plugin: registered %zu devices\n",
               devices.size());
  int signal = 0;
  while (sigwait(&ending, &signal) != 0) {
  }
  return 0;
}

}  // namespace
}  // namespace gpunode

int main(int argc, char** argv) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  std::vector<gpunode::kubelet::Device> devices;
  for (int i = 1; i < argc; ++i) devices.push_back({argv[i], true, {}});
  return gpunode::serve(devices, ending);
}
