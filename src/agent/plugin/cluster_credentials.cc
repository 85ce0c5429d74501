#include "agent/plugin/cluster_credentials.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "k8s/api/kubeconfig.h"
#include "k8s/api/kubeconfig_credentials.h"

namespace gpunode::plugin {
namespace {

using Environment = std::map<std::string, std::string, std::less<>>;

/// With what it needs beside it.
class OwnKubeconfig final : public kube::Credentials {
 public:
  OwnKubeconfig(kube::Kubeconfig config, std::vector<std::string> environment)
      : credentials_(std::move(config), host::HostRoot(), runner_,
                     std::move(environment),
                     [] { return std::chrono::system_clock::now(); }) {}

  Result<kube::Access> access(bool was_refused) override {
    return credentials_.access(was_refused);
  }

 private:
  host::SystemCommandRunner runner_;
  kube::KubeconfigCredentials credentials_;
};

std::string value_of(const Environment& environment, std::string_view name) {
  const auto found = environment.find(name);
  return found == environment.end() ? "" : found->second;
}

Result<std::unique_ptr<kube::Credentials>> of_kubeconfig(
    const std::string& path, const Environment& environment) {
  const std::string absolute = std::filesystem::absolute(path).string();
  auto text = host::HostRoot().read_file(absolute, kube::kMaxKubeconfigBytes);
  if (!text) return std::move(text).error().with_context("kubeconfig");
  TRY(kube::Kubeconfig config, kube::parse_kubeconfig(*text, absolute));
  std::vector<std::string> lines;
  lines.reserve(environment.size());
  for (const auto& [name, value] : environment) {
    lines.push_back(name);
    lines.back().append("=").append(value);
  }
  return std::unique_ptr<kube::Credentials>(
      std::make_unique<OwnKubeconfig>(std::move(config), std::move(lines)));
}

}  // namespace

Result<std::unique_ptr<kube::Credentials>> cluster_credentials(
    const std::string& path, const Environment& environment) {
  if (!path.empty()) return of_kubeconfig(path, environment);
  const std::string host = value_of(environment, "KUBERNETES_SERVICE_HOST");
  const std::string port = value_of(environment, "KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return Error(ErrorCode::kNotFound,
                 "no API server is known: KUBERNETES_SERVICE_HOST and "
                 "KUBERNETES_SERVICE_PORT are not set, as they are in a Pod; "
                 "elsewhere give --kubeconfig");
  }
  return std::unique_ptr<kube::Credentials>(
      std::make_unique<kube::InClusterCredentials>(host::HostRoot(), host,
                                                   port));
}

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

}  // namespace gpunode::plugin
