// A container for runc: root file system and config.json, made of this
// machine's files and of what the device plugin answered.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "k8s/kubelet/handler.h"

namespace gpunode::demo {

/// A device node of the container.
struct DeviceNode {
  std::string path;
  unsigned major = 0;
  unsigned minor = 0;
  std::string permissions;  ///< What the device cgroup allows; empty: nothing.
};

struct Bundle {
  std::filesystem::path directory;
  std::string name;            ///< The container's, and its cgroup's.
  std::string program;         ///< Becomes /usr/bin/vectoradd.
  std::string driver_library;  ///< Its libcuda.so.1, beside its libc.
  std::string driver_profile;  ///< What that library reads; beside it.
  std::vector<std::string> environment;
  std::vector<DeviceNode> devices;
};

/// What the container engine makes of the answer's devices: `host_path` is
/// looked up below `node`.
Result<std::vector<DeviceNode>> device_nodes(
    const std::vector<kubelet::DeviceSpec>& specs,
    const std::filesystem::path& node);

/// The answer's environment as NAME=value.
std::vector<std::string> environment_of(
    const kubelet::ContainerAllocation& allocation);

/// Writes `bundle.directory`: the program and every library that it and the
/// driver's library need, and config.json. The container gets no network, no
/// capability, and only its device nodes; the cgroup denies what is not
/// permitted in so many words.
Result<void> write_bundle(const Bundle& bundle, host::CommandRunner& runner);

/// config.json's text (OCI runtime specification 1.0.2).
std::string config_json(const Bundle& bundle);

}  // namespace gpunode::demo
