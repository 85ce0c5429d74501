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
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

#include "tests/engines/cri.grpc.pb.h"

namespace {

namespace cri = runtime::v1;

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
  std::vector<std::string> command;
};

struct NotRun {
  std::string why;
};

std::pair<std::string, std::string> split(const std::string& pair) {
  const std::size_t at = pair.find('=');
  if (at == std::string::npos) throw NotRun{pair + " has no ="};
  return {pair.substr(0, at), pair.substr(at + 1)};
}

class Engine {
 public:
  explicit Engine(const std::string& socket)
      : stub_(cri::RuntimeService::NewStub(grpc::CreateChannel(
            "unix:" + socket, grpc::InsecureChannelCredentials()))) {}

  template <class Request, class Response>
  void call(const char* what,
            grpc::Status (cri::RuntimeService::Stub::*method)(
                grpc::ClientContext*, const Request&, Response*),
            const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kTimeLimit);
    context.set_wait_for_ready(true);
    const grpc::Status status =
        ((*stub_).*method)(&context, request, &response);
    if (!status.ok()) throw NotRun{what + (": " + status.error_message())};
  }

 private:
  std::unique_ptr<cri::RuntimeService::Stub> stub_;
};

using Stub = cri::RuntimeService::Stub;

class Pod {
 public:
  Pod(Engine& engine, const Asked& asked) : engine_(engine) {
    const std::string name = "pod-" + std::to_string(::getpid());
    config_.mutable_metadata()->set_name(name);
    config_.mutable_metadata()->set_uid(name);
    config_.mutable_metadata()->set_namespace_("default");
    config_.set_log_directory(asked.log_directory);
    auto* own = config_.mutable_linux();
    own->set_cgroup_parent(asked.cgroup_parent);
    // The node's network: there is no network plugin here.
    own->mutable_security_context()->mutable_namespace_options()->set_network(
        cri::NODE);
    cri::RunPodSandboxRequest request;
    *request.mutable_config() = config_;
    request.set_runtime_handler(asked.handler);
    cri::RunPodSandboxResponse response;
    engine_.call("RunPodSandbox", &Stub::RunPodSandbox, request, response);
    id_.set_pod_sandbox_id(response.pod_sandbox_id());
  }
  Pod(const Pod&) = delete;
  Pod& operator=(const Pod&) = delete;

  void end() {
    cri::Empty nothing;
    engine_.call("StopPodSandbox", &Stub::StopPodSandbox, id_, nothing);
    engine_.call("RemovePodSandbox", &Stub::RemovePodSandbox, id_, nothing);
  }

  /// Runs the container to its end; its exit code.
  int run(const Asked& asked) {
    cri::CreateContainerRequest request;
    request.set_pod_sandbox_id(id_.pod_sandbox_id());
    *request.mutable_sandbox_config() = config_;
    describe(asked, *request.mutable_config());
    cri::CreateContainerResponse created;
    engine_.call("CreateContainer", &Stub::CreateContainer, request, created);
    cri::ContainerRequest container;
    container.set_container_id(created.container_id());
    cri::Empty nothing;
    engine_.call("StartContainer", &Stub::StartContainer, container, nothing);
    const auto limit = std::chrono::steady_clock::now() + kTimeLimit;
    while (std::chrono::steady_clock::now() < limit) {
      cri::ContainerStatusResponse now;
      engine_.call("ContainerStatus", &Stub::ContainerStatus, container, now);
      if (now.status().state() == kExited) return now.status().exit_code();
      std::this_thread::sleep_for(kPause);
    }
    throw NotRun{"the container did not end"};
  }

 private:
  static void describe(const Asked& asked, cri::ContainerConfig& config) {
    config.mutable_metadata()->set_name("container");
    config.mutable_image()->set_image(asked.image);
    config.set_log_path("container.log");
    config.mutable_linux()
        ->mutable_security_context()
        ->mutable_namespace_options()
        ->set_network(cri::NODE);
    for (const std::string& word : asked.command) config.add_command(word);
    for (const std::string& pair : asked.environment) {
      auto* variable = config.add_envs();
      std::tie(*variable->mutable_key(), *variable->mutable_value()) =
          split(pair);
    }
    for (const std::string& pair : asked.annotations) {
      auto [key, value] = split(pair);
      (*config.mutable_annotations())[key] = value;
    }
    for (const std::string& name : asked.cdi_devices) {
      config.add_cdi_devices()->set_name(name);
    }
  }

  Engine& engine_;
  cri::PodSandboxConfig config_;
  cri::PodSandboxRequest id_;
};

int run(const Asked& asked) {
  Engine engine(asked.socket);
  Pod pod(engine, asked);
  int status = kNotRun;
  std::string why;
  try {
    status = pod.run(asked);
  } catch (const NotRun& error) {
    why = error.why;
  }
  pod.end();
  if (!why.empty()) throw NotRun{why};
  std::cout << std::ifstream(asked.log_directory + "/container.log").rdbuf();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  CLI::App app("Run one container by the container runtime interface");
  app.add_option("--socket", asked.socket)->required();
  app.add_option("--image", asked.image)->required();
  app.add_option("--cgroup-parent", asked.cgroup_parent)->required();
  app.add_option("--log-directory", asked.log_directory)->required();
  app.add_option("--handler", asked.handler);
  app.add_option("--env", asked.environment)
      ->expected(1)
      ->allow_extra_args(false);
  app.add_option("--annotation", asked.annotations)
      ->expected(1)
      ->allow_extra_args(false);
  app.add_option("--cdi", asked.cdi_devices)
      ->expected(1)
      ->allow_extra_args(false);
  app.add_option("command", asked.command)->required();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(asked);
  } catch (const NotRun& error) {
    std::cerr << "cri-run: " << error.why << "\n";
    return kNotRun;
  }
}
