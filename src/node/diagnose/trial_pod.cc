#include "node/diagnose/trial_pod.h"

#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

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

/// Of what object_of() makes: objects, lists of objects or of scalars, scalars.
void write_yaml(const Json& value, std::size_t indent, std::string& out) {
  bool is_first = true;
  for (const auto& [key, member] : value.items()) {
    if (!is_first) out.append(indent, ' ');
    is_first = false;
    out += key + ":";
    if (member.is_object()) {
      out += "\n" + std::string(indent + 2, ' ');
      write_yaml(member, indent + 2, out);
    } else if (member.is_array()) {
      for (const Json& item : member) {
        out += "\n" + std::string(indent, ' ') + "- ";
        if (!item.is_object()) {
          out += item.dump();
          continue;
        }
        write_yaml(item, indent + 2, out);
        out.pop_back();
      }
      out += '\n';
    } else {
      out += " " + member.dump() + "\n";  // JSON's scalars are YAML's.
    }
  }
}

}  // namespace

std::string pod_json(const TrialPod& pod) {
  return object_of(pod).dump();
}

std::string pod_yaml(const TrialPod& pod) {
  std::string text;
  write_yaml(object_of(pod), 0, text);
  return text;
}

}  // namespace gpunode::diagnose
