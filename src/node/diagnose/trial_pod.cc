#include "node/diagnose/trial_pod.h"

#include <nlohmann/json.hpp>

#include "k8s/api/object_yaml.h"

namespace gpunode::diagnose {
namespace {

using Json = nlohmann::ordered_json;

Json object_of(const TrialPod& pod) {
  Json container = {{"name", "vectoradd"},
                    {"image", pod.image},
                    {"resources", {{"limits", {{pod.resource, "1"}}}}},
                    {"securityContext", {{"allowPrivilegeEscalation", false}}}};
  Json spec = {{"restartPolicy", "Never"},
               {"automountServiceAccountToken", false},
               {"containers", Json::array({std::move(container)})},
               {"tolerations", Json::array({{{"key", "nvidia.com/gpu"},
                                             {"operator", "Exists"},
                                             {"effect", "NoSchedule"}}})}};
  if (pod.tolerates_cordon) {
    spec["tolerations"].push_back({{"key", "node.kubernetes.io/unschedulable"},
                                   {"operator", "Exists"},
                                   {"effect", "NoSchedule"}});
  }
  if (!pod.node.empty()) {
    // By its name: the label kubernetes.io/hostname may be another.
    Json term = {{"matchFields", Json::array({{{"key", "metadata.name"},
                                               {"operator", "In"},
                                               {"values", {pod.node}}}})}};
    spec["affinity"]["nodeAffinity"]
        ["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"] = Json::array({std::move(term)});
  }
  if (!pod.runtime_class.empty()) spec["runtimeClassName"] = pod.runtime_class;
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"name", pod.name},
            {"namespace", pod.space},
            {"labels", {{"app.kubernetes.io/managed-by", "gpunode"}}}}},
          {"spec", std::move(spec)}};
}

}  // namespace

std::string pod_json(const TrialPod& pod) {
  return object_of(pod).dump();
}

std::string pod_yaml(const TrialPod& pod) {
  return *kube::object_yaml(pod_json(pod));  // Ours is JSON.
}

}  // namespace gpunode::diagnose
