// What is asked of an engine's configuration.
#pragma once

#include <string>

namespace gpunode::engines {

enum class Engine { kContainerd, kCrio, kDocker };

/// "containerd", which is its program and its unit, too.
constexpr const char* engine_name(Engine engine) {
  switch (engine) {
    case Engine::kContainerd:
      return "containerd";
    case Engine::kCrio:
      return "crio";
    case Engine::kDocker:
      return "docker";
  }
  return "";
}

/// A runtime to be known to an engine. Passive data.
struct RuntimeRequest {
  enum class DefaultRuntime {
    kKeep,   ///< Whatever it is.
    kSet,    ///< This one.
    kUnset,  ///< Not this one; another one stays. What nvidia-ctk does.
  };

  std::string name = "nvidia";
  std::string path;  ///< Of the runtime's program.
  DefaultRuntime default_runtime = DefaultRuntime::kKeep;
  bool enable_cdi = false;

  /// The entry is a copy of the template and nothing else, as nvidia-ctk
  /// writes it; else keys that an entry of this name has already are kept.
  bool is_exact_copy = false;

  /// What SystemdCgroup is to be where no runtime says it: on a host whose
  /// cgroups are systemd's, pods flap without it.
  bool systemd_cgroup = false;
};

}  // namespace gpunode::engines
