// What the kubelet asks of a device plugin, without a gRPC type in sight.
//
// The words are those of k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::kubelet {

/// One entry of ListAndWatch's list.
struct Device {
  std::string id;
  bool is_healthy = true;
  std::vector<std::int64_t> numa_nodes;  ///< Empty: no topology is sent.

  bool operator==(const Device&) const = default;
};

struct Mount {
  std::string container_path;
  std::string host_path;
  bool read_only = false;
};

struct DeviceSpec {
  std::string container_path;
  std::string host_path;
  std::string permissions;  ///< cgroup letters, "rw".
};

/// ContainerAllocateResponse: what one container gets.
struct ContainerAllocation {
  std::map<std::string, std::string> envs;
  std::vector<Mount> mounts;
  std::vector<DeviceSpec> devices;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> cdi_devices;  ///< Qualified names; kubelet >= 1.28.
};

struct PreferredAllocationRequest {
  std::vector<std::string> available;
  std::vector<std::string> must_include;
  std::int32_t size = 0;
};

/// Answers for one Resource. Called on the server's threads, several at a
/// time: implementations are immutable or lock. An Error's message reaches
/// the Pod's events verbatim, as code Unknown (NVIDIA's plugin does so).
class DevicePluginHandler {
 public:
  virtual ~DevicePluginHandler() = default;

  virtual Result<ContainerAllocation> allocate(
      const std::vector<std::string>& device_ids) const = 0;

  virtual Result<std::vector<std::string>> preferred_allocation(
      const PreferredAllocationRequest& request) const = 0;
};

}  // namespace gpunode::kubelet
