#include "node/diagnose/cdi_check.h"

#include <array>
#include <map>

#include <fmt/format.h>

#include "container/cdi/registry.h"

namespace gpunode::diagnose {
namespace {

constexpr const char* kRenew =
    "gpunode cdi refresh writes /var/run/cdi/nvidia.yaml anew; a file of "
    "somebody else's is theirs to renew";

/// What a device's edits name on the host and is not there; the first of it.
std::string missing_file(const host::HostRoot& host,
                         const cdi::ContainerEdits& edits) {
  for (const cdi::Mount& mount : edits.mounts) {
    if (!host.exists(mount.host_path)) return mount.host_path;
  }
  for (const cdi::DeviceNode& node : edits.device_nodes) {
    const std::string& path =
        node.host_path.empty() ? node.path : node.host_path;
    if (!host.exists(path)) return path;
  }
  for (const cdi::Hook& hook : edits.hooks) {
    if (!host.exists(hook.path)) return hook.path;
  }
  return {};
}

}  // namespace

Findings check_cdi(const host::HostRoot& host,
                   std::span<const std::string> directories) {
  const cdi::Registry registry = cdi::Registry::load(host, directories);
  Findings findings;
  for (const std::string& problem : registry.problems()) {
    findings.push_back({"cdi", problem, kRenew});
  }
  // One finding a file: all of its devices share what is missing.
  std::map<std::string, std::string> missing;
  for (const cdi::Registry::Listed& device : registry.devices()) {
    if (missing.contains(device.path)) continue;
    const std::array<std::string, 1> names = {device.name};
    const Result<cdi::ContainerEdits> edits = registry.resolve(names);
    if (!edits) continue;  // A problem() already.
    if (std::string path = missing_file(host, *edits); !path.empty()) {
      missing.emplace(device.path, std::move(path));
    }
  }
  for (const auto& [file, path] : missing) {
    findings.push_back(
        {"cdi",
         fmt::format("{} names {}, which is not there: containers that ask for "
                     "its devices fail to start",
                     file, path),
         kRenew});
  }
  return findings;
}

}  // namespace gpunode::diagnose
