// The NodeFeature object of a node: labels on their way to Node Feature
// Discovery, which puts those of spec.labels on the Node.
//
// Pure. The object is the one that NVIDIA's GPU feature discovery keeps, by the
// same name, so that either program goes on with what the other has written
// (its internal/lm/output.go, 0.20).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "k8s/api/node_meta.h"

namespace gpunode::kube {

/// With whom the garbage collector takes an object away: when all are gone.
struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool is_controller = false;
};

struct NodeFeatureWish {
  std::string node;
  MetaTexts labels;  ///< All of them.
  /// All of them; nothing: not known, and those that are there stay.
  std::optional<std::vector<OwnerReference>> owners;
};

/// "nvidia-features-for-gpu-1".
std::string node_feature_name(std::string_view node);

/// The object as it is made.
std::string node_feature_json(const NodeFeatureWish& wish);

/// For Client::replace, by the object as the server has it; nothing: it is as
/// wished. What the object has beside labels, owners and spec stays. kCorrupt
/// if `json` is no object of the API.
Result<std::optional<std::string>> plan_node_feature(
    std::string_view json, const NodeFeatureWish& wish);

/// Of what the Pod `json` makes: the DaemonSet that made the Pod, as
/// controller, and the Pod; none if no DaemonSet did. kCorrupt for no Pod.
Result<std::vector<OwnerReference>> owners_by_daemon_set(std::string_view json);

}  // namespace gpunode::kube
