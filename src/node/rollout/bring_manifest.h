// The DaemonSet that brings gpunode and a file to nodes that are there, as
// objects of the API. Pure.
#pragma once

#include <string>
#include <vector>

#include "k8s/api/resource_path.h"

namespace gpunode::rollout {

inline constexpr const char* kBringSpace = "gpunode-rollout";
inline constexpr const char* kBringName = "gpunode-bring";
/// Its Pods have this label, and nobody else's in the namespace.
inline constexpr const char* kBringPodSelector =
    "app.kubernetes.io/name=gpunode-bring";

struct BringManifest {
  std::string spec;    ///< The GPUNode file's text.
  std::string digest;  ///< Its SHA-256.
  std::string image;   ///< With gpunode and the programs beside it.
};

/// One object, and where it is.
struct ManifestObject {
  kube::ResourceType type;
  kube::ObjectKey key;
  std::string json;
};

/// Namespace, ServiceAccount, ConfigMap, DaemonSet: in the order in which they
/// need each other. The DaemonSet runs on nodes whose label kBringLabel is this
/// file's, so on none until somebody says so; its Pods have no API token.
std::vector<ManifestObject> bring_objects(const BringManifest& manifest);

/// The same, for `kubectl apply -f -`, with what to do next as a comment.
std::string bring_yaml(const BringManifest& manifest);

}  // namespace gpunode::rollout
