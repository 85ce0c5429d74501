#include "node/rollout/bring_manifest.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "k8s/api/object_yaml.h"
#include "node/rollout/bring_pod.h"
#include "node/rollout/node_mark.h"

namespace gpunode::rollout {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kProgram = "/usr/bin/gpunode";
constexpr const char* kFile = "/etc/gpunode-bring/node.yaml";

Json labels() {
  return {{"app.kubernetes.io/name", kBringName},
          {"app.kubernetes.io/managed-by", "gpunode"}};
}

Json metadata(const char* name) {
  return {{"name", name}, {"namespace", kBringSpace}, {"labels", labels()}};
}

Json container(const BringManifest& manifest) {
  return {
      {"name", "bring"},
      {"image", manifest.image},
      {"imagePullPolicy", "IfNotPresent"},
      {"command",
       {kProgram, "bring", "--attempt", "$(POD_UID)", "--digest",
        manifest.digest, kFile}},
      {"env",
       Json::array(
           {{{"name", "POD_UID"},
             {"valueFrom", {{"fieldRef", {{"fieldPath", "metadata.uid"}}}}}}})},
      // Into the namespaces of the host's PID 1, from where it asks systemd.
      {"securityContext", {{"privileged", true}, {"runAsUser", 0}}},
      // Ready: the file is applied on this node.
      {"readinessProbe",
       {{"exec",
         {{"command",
           {kProgram, "bring", "--is-done", "--digest", manifest.digest,
            kFile}}}},
        {"periodSeconds", 5},
        {"timeoutSeconds", 10}}},
      // Its last words are in the Pod's status.
      {"terminationMessagePolicy", "FallbackToLogsOnError"},
      {"resources", {{"requests", {{"cpu", "10m"}, {"memory", "32Mi"}}}}},
      {"volumeMounts", Json::array({{{"name", "file"},
                                     {"mountPath", "/etc/gpunode-bring"},
                                     {"readOnly", true}}})}};
}

Json pod_spec(const BringManifest& manifest) {
  return {{"serviceAccountName", kBringName},
          {"automountServiceAccountToken", false},
          {"hostPID", true},
          // A node whose Pod network is not up is one of those that need it.
          {"hostNetwork", true},
          {"dnsPolicy", "Default"},
          {"nodeSelector", {{kBringLabel, short_digest(manifest.digest)}}},
          {"tolerations", Json::array({{{"operator", "Exists"}}})},
          {"terminationGracePeriodSeconds", 5},
          {"containers", Json::array({container(manifest)})},
          {"volumes", Json::array({{{"name", "file"},
                                    {"configMap", {{"name", kBringName}}}}})}};
}

Json daemon_set(const BringManifest& manifest) {
  return {{"apiVersion", "apps/v1"},
          {"kind", "DaemonSet"},
          {"metadata", metadata(kBringName)},
          {"spec",
           {{"selector",
             {{"matchLabels", {{"app.kubernetes.io/name", kBringName}}}}},
            // Each Pod is an attempt: a change of the manifest makes none on a
            // node that was left as it is.
            {"updateStrategy", {{"type", "OnDelete"}}},
            {"template",
             {{"metadata",
               {{"labels", labels()},
                {"annotations", {{kBringFileAnnotation, manifest.digest}}}}},
              {"spec", pod_spec(manifest)}}}}}};
}

}  // namespace

std::vector<ManifestObject> bring_objects(const BringManifest& manifest) {
  // Privileged Pods must be allowed where Pod Security is enforced.
  Json space_labels = labels();
  space_labels["pod-security.kubernetes.io/enforce"] = "privileged";
  const Json space = {
      {"apiVersion", "v1"},
      {"kind", "Namespace"},
      {"metadata", {{"name", kBringSpace}, {"labels", space_labels}}}};
  const Json account = {{"apiVersion", "v1"},
                        {"kind", "ServiceAccount"},
                        {"metadata", metadata(kBringName)},
                        {"automountServiceAccountToken", false}};
  const Json file = {{"apiVersion", "v1"},
                     {"kind", "ConfigMap"},
                     {"metadata", metadata(kBringName)},
                     {"data", {{"node.yaml", manifest.spec}}}};
  const kube::ObjectKey key{kBringSpace, kBringName};
  return {
      {{"", "v1", "namespaces", false}, {"", kBringSpace}, space.dump()},
      {{"", "v1", "serviceaccounts", true}, key, account.dump()},
      {kube::config_maps(), key, file.dump()},
      {{"apps", "v1", "daemonsets", true}, key, daemon_set(manifest).dump()}};
}

std::string bring_yaml(const BringManifest& manifest) {
  std::string text = fmt::format(
      "# kubectl apply -f this.yaml, and nothing happens yet. Then, node by "
      "node:\n"
      "#   kubectl drain NODE --ignore-daemonsets\n"
      "#   kubectl label node NODE {}={}\n"
      "#   kubectl -n {} wait --for=condition=Ready pod -l {} --field-selector "
      "spec.nodeName=NODE --timeout=1h\n"
      "#   kubectl label node NODE {}-; kubectl uncordon NODE\n"
      "# `gpunode rollout` does just that, and looks whether the node is "
      "well.\n",
      kBringLabel, short_digest(manifest.digest), kBringSpace,
      kBringPodSelector, kBringLabel);
  for (const ManifestObject& object : bring_objects(manifest)) {
    text += "---\n" + *kube::object_yaml(object.json);  // Ours is JSON.
  }
  return text;
}

}  // namespace gpunode::rollout
