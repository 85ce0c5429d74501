// The Pod that level 6 of `gpunode verify` makes, and that a person may apply.
#pragma once

#include <string>

namespace gpunode::diagnose {

struct TrialPod {
  std::string name = "gpunode-verify";
  std::string space = "default";  ///< Namespace.
  std::string node = {};          ///< Where it is to run; "": anywhere.
  std::string image = {};
  std::string resource = "nvidia.com/gpu";  ///< One of it.
  std::string runtime_class = {};           ///< "": none named.
  bool tolerates_cordon = false;  ///< It may run where nothing new may come.
};

/// The object, for the API server. It runs once, tolerates NVIDIA's taint,
/// and asks for its node by name through the scheduler, so that scheduler and
/// kubelet both have a say.
std::string pod_json(const TrialPod& pod);

/// The same as YAML, for `kubectl apply -f -`.
std::string pod_yaml(const TrialPod& pod);

}  // namespace gpunode::diagnose
