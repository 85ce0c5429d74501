// Runs one container in a Pod by the interface that a kubelet uses, prints what
// it says and ends with its exit code; 125 if the engine could not run it.
//
//   cri-run --socket PATH --image NAME --cgroup-parent PATH --log-directory DIR
//           [--handler NAME] [--env K=V]... [--annotation K=V]... [--cdi
//           NAME]...
//           -- PROGRAM [ARGUMENT]...
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

#include "base/core/result.h"
#include "tests/engines/cri.grpc.pb.h"

namespace gpunode {
namespace {

namespace cri = ::runtime::v1;

constexpr int kNotRun = 125;
constexpr int kExited = 2;  // ContainerState
constexpr auto kTimeLimit = std::chrono::seconds(60);
constexpr auto kPause = std::chrono::milliseconds(20);

/// What a person asks for.
struct Asked {
  std::string socket;
  std::string image;
  std::string cgroup_parent;
  std::string log_directory;
  std::string handler;
  std::vector<std::string> environment;
  std::vector<std::string> annotations;
  std::vector<std::string> cdi_devices;
  std::vector<std::string> mounts;  ///< Read-only, as CONTAINER=HOST.
  std::vector<std::string> command;
};

/// What "--env K=V" and its like say.
Result<std::pair<std::string, std::string>> split(const std::string& pair) {
  const std::size_t at = pair.find('=');
  if (at == std::string::npos) {
    return Error(ErrorCode::kInvalidArgument, pair + " has no =");
  }
  return std::make_pair(pair.substr(0, at), pair.substr(at + 1));
}

using Stub = cri::RuntimeService::Stub;

class Engine {
 public:
  explicit Engine(const std::string& socket)
      : stub_(cri::RuntimeService::NewStub(grpc::CreateChannel(
            "unix:" + socket, grpc::InsecureChannelCredentials()))) {}

  template <class Request, class Response>
  Result<Response> call(const char* what,
                        grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                     const Request&, Response*),
                        const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kTimeLimit);
    context.set_wait_for_ready(true);
    Response response;
    const grpc::Status status =
        ((*stub_).*method)(&context, request, &response);
    if (status.ok()) return response;
    return Error(ErrorCode::kUnavailable,
                 what + (": " + status.error_message()));
  }

 private:
  std::unique_ptr<Stub> stub_;
};

cri::PodSandboxConfig pod_of(const Asked& asked) {
  cri::PodSandboxConfig pod;
  const std::string name = "pod-" + std::to_string(::getpid());
  pod.mutable_metadata()->set_name(name);
  pod.mutable_metadata()->set_uid(name);
  pod.mutable_metadata()->set_namespace_("default");
  pod.set_log_directory(asked.log_directory);
  auto* own = pod.mutable_linux();
  own->set_cgroup_parent(asked.cgroup_parent);
  // The node's network: there is no network plugin here.
  own->mutable_security_context()->mutable_namespace_options()->set_network(
      cri::NODE);
  return pod;
}

Result<cri::ContainerConfig> container_of(const Asked& asked) {
  cri::ContainerConfig config;
  config.mutable_metadata()->set_name("container");
  config.mutable_image()->set_image(asked.image);
  config.set_log_path("container.log");
  config.mutable_linux()
      ->mutable_security_context()
      ->mutable_namespace_options()
      ->set_network(cri::NODE);
  for (const std::string& word : asked.command) config.add_command(word);
  for (const std::string& pair : asked.environment) {
    TRY(const auto variable, split(pair));
    auto* added = config.add_envs();
    added->set_key(variable.first);
    added->set_value(variable.second);
  }
  for (const std::string& pair : asked.annotations) {
    TRY(const auto annotation, split(pair));
    (*config.mutable_annotations())[annotation.first] = annotation.second;
  }
  for (const std::string& pair : asked.mounts) {
    TRY(const auto places, split(pair));
    auto* added = config.add_mounts();
    added->set_container_path(places.first);
    added->set_host_path(places.second);
    added->set_readonly(true);
  }
  for (const std::string& name : asked.cdi_devices) {
    config.add_cdi_devices()->set_name(name);
  }
  return config;
}

/// Runs the container in the Pod to its end; its exit code.
Result<int> run_in(Engine& engine, const Asked& asked,
                   const cri::PodSandboxConfig& pod, const std::string& id) {
  cri::CreateContainerRequest request;
  request.set_pod_sandbox_id(id);
  *request.mutable_sandbox_config() = pod;
  TRY(*request.mutable_config(), container_of(asked));
  TRY(const auto created,
      engine.call("CreateContainer", &Stub::CreateContainer, request));
  cri::ContainerRequest container;
  container.set_container_id(created.container_id());
  TRY_VOID(engine.call("StartContainer", &Stub::StartContainer, container));
  const auto limit = std::chrono::steady_clock::now() + kTimeLimit;
  while (std::chrono::steady_clock::now() < limit) {
    TRY(const auto now,
        engine.call("ContainerStatus", &Stub::ContainerStatus, container));
    if (now.status().state() == kExited) return now.status().exit_code();
    std::this_thread::sleep_for(kPause);
  }
  return Error(ErrorCode::kUnavailable, "the container did not end");
}

/// The same with a Pod made for it, which goes again whatever happens.
Result<int> run(const Asked& asked) {
  Engine engine(asked.socket);
  cri::RunPodSandboxRequest request;
  *request.mutable_config() = pod_of(asked);
  request.set_runtime_handler(asked.handler);
  TRY(const auto made,
      engine.call("RunPodSandbox", &Stub::RunPodSandbox, request));
  const auto status =
      run_in(engine, asked, request.config(), made.pod_sandbox_id());
  cri::PodSandboxRequest pod;
  pod.set_pod_sandbox_id(made.pod_sandbox_id());
  const auto stopped =
      engine.call("StopPodSandbox", &Stub::StopPodSandbox, pod);
  const auto removed =
      engine.call("RemovePodSandbox", &Stub::RemovePodSandbox, pod);
  if (!status) return status.error();
  if (!stopped) return stopped.error();
  if (!removed) return removed.error();
  std::ifstream log(asked.log_directory + "/container.log");
  std::cout << log.rdbuf();
  return *status;
}

}  // namespace
}  // namespace gpunode

// NOLINTNEXTLINE(bugprone-exception-escape): only CLI11 and the library throw.
int main(int argc, char** argv) {
  gpunode::Asked asked;
  CLI::App app("Run one container by the container runtime interface");
  app.add_option("--socket", asked.socket)->required();
  app.add_option("--image", asked.image)->required();
  app.add_option("--cgroup-parent", asked.cgroup_parent)->required();
  app.add_option("--log-directory", asked.log_directory)->required();
  app.add_option("--handler", asked.handler);
  for (const auto& [name, values] :
       {std::pair("--env", &asked.environment),
        std::pair("--annotation", &asked.annotations),
        std::pair("--cdi", &asked.cdi_devices),
        std::pair("--mount", &asked.mounts)}) {
    app.add_option(name, *values)->expected(-1)->allow_extra_args(false);
  }
  app.add_option("command", asked.command)->required();
  CLI11_PARSE(app, argc, argv);
  const auto status = gpunode::run(asked);
  if (status) return *status;
  std::cerr << "cri-run: " << status.error().message() << "\n";
  return gpunode::kNotRun;
}
