#include "agent/plugin/rival.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "agent/plugin/gpu_operator.h"

namespace gpunode::plugin {
namespace {

/// "GPU-" and 32 hexadecimal digits with four dashes between them.
constexpr std::size_t kUuidSize = 4 + 36;

std::string node_or_name(const NodeSigns& signs) {
  return signs.node.empty() ? "NAME" : signs.node;
}

}  // namespace

NodeSigns read_signs(const kube::NodeMeta& node) {
  NodeSigns signs;
  signs.node = node.name;
  const auto hami = node.annotations.find(kHamiAnnotation);
  signs.has_hami =
      hami != node.annotations.end() && !hami->second.value.empty();
  const auto label = node.labels.find(kOperatorPluginLabel);
  if (label != node.labels.end()) signs.operator_plugin = label->second.value;
  return signs;
}

bool is_hami_id(std::string_view id) {
  if (!id.starts_with("GPU-") || id.size() < kUuidSize + 2 ||
      id[kUuidSize] != '-') {
    return false;
  }
  const std::string_view number = id.substr(kUuidSize + 1);
  return std::all_of(number.begin(), number.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

Rival identify(std::string_view program, const std::vector<std::string>& ids,
               const NodeSigns& signs) {
  // HAMi's program is called as NVIDIA's is, so its name comes last.
  if (std::any_of(ids.begin(), ids.end(), is_hami_id)) return Rival::kHami;
  if (signs.operator_plugin == "true") return Rival::kGpuOperator;
  if (signs.has_hami) return Rival::kHami;
  // The kernel keeps 15 bytes of a name.
  if (program.starts_with("nvidia-device-p")) return Rival::kNvidiaPlugin;
  return Rival::kUnknown;
}

std::string_view name_of(Rival rival) {
  switch (rival) {
    case Rival::kNvidiaPlugin:
      return "NVIDIA's device plugin";
    case Rival::kGpuOperator:
      return "the GPU Operator's device plugin";
    case Rival::kHami:
      return "HAMi's device plugin";
    case Rival::kUnknown:
      break;
  }
  return "another device plugin";
}

std::string remedy_for(Rival rival, const NodeSigns& signs) {
  const std::string node = node_or_name(signs);
  switch (rival) {
    case Rival::kNvidiaPlugin:
      return "uninstall it (helm uninstall, or kubectl delete daemonset), "
             "exclude the node in its DaemonSet, or start this agent with "
             "--take-over";
    case Rival::kGpuOperator:
      return fmt::format(
          "start this agent with --take-over and --node-name, which takes the "
          "node out of it, or: kubectl label node {} {}=false --overwrite",
          node, kOperatorPluginLabel);
    case Rival::kHami:
      return fmt::format(
          "its ids are not this agent's, so first end the Pods that hold a GPU "
          "here; then take the node out of its DaemonSet (kubectl label node "
          "{} gpu-), or start this agent with --take-over",
          node);
    case Rival::kUnknown:
      break;
  }
  return fmt::format(
      "remove it from this node (NVIDIA's device plugin or HAMi: uninstall it, "
      "or exclude the node in its DaemonSet; the GPU Operator: kubectl label "
      "node {} {}=false --overwrite), or start this agent with --take-over",
      node, kOperatorPluginLabel);
}

std::vector<std::string> warnings_of(const NodeSigns& signs) {
  std::vector<std::string> warnings;
  if (signs.operator_plugin == "true") {
    warnings.push_back(fmt::format(
        "node {} has {}=true: the GPU Operator runs its device plugin here, "
        "which takes this agent's place; {}",
        signs.node, kOperatorPluginLabel,
        remedy_for(Rival::kGpuOperator, signs)));
  }
  if (signs.has_hami) {
    warnings.push_back(fmt::format(
        "node {} has the annotation {}: HAMi's scheduler gives its GPUs to "
        "Pods by that; if HAMi serves this node no more, kubectl annotate node "
        "{} {}-",
        signs.node, kHamiAnnotation, signs.node, kHamiAnnotation));
  }
  return warnings;
}

}  // namespace gpunode::plugin
