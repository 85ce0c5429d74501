// spec.runtime: what runs containers, and how they get GPUs.
#pragma once

#include <cstdint>
#include <string>

namespace gpunode::provision {

/// Whose packages containerd comes from.
enum class EngineSource : std::uint8_t {
  kDistribution,  ///< `containerd` of the distribution.
  kDocker,        ///< `containerd.io` of Docker's repository.
  kPreinstalled,  ///< It is there, and its owner sees to it.
};

/// How a container that asks for a GPU comes to gpunode-runtime.
enum class GpuMode : std::uint8_t {
  kDefaultRuntime,  ///< Every container is started by it, as the seed has it.
  kRuntimeClass,    ///< Those of the RuntimeClass "nvidia".
  kCdi,             ///< By none: containerd does what the CDI spec says.
};

struct RuntimeSpec {
  bool is_wanted = false;  ///< The section is there.
  EngineSource source = EngineSource::kDistribution;
  /// The newest package whose version begins so: "1.7", "1.7.25". Empty: the
  /// newest.
  std::string version = {};
  bool has_systemd_cgroup = true;
  /// "registry.k8s.io/pause:3.8"; empty: what the cluster's version wants.
  std::string sandbox_image = {};
  GpuMode gpu_mode = GpuMode::kDefaultRuntime;
  /// Links below /dev/char, without which systemd takes GPUs from containers
  /// when it is reloaded.
  bool has_device_links = true;
};

}  // namespace gpunode::provision
