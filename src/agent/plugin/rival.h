// Rivals: whose device plugin another one is, and what to do about it.
//
// Pure. Nothing that a node shows proves it. A socket does not tell whose it
// is, an annotation may be left over; so what refuses is a live socket
// (neighbours.h), and this finds the words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "k8s/api/node_meta.h"

namespace gpunode::plugin {

enum class Rival { kUnknown, kNvidiaPlugin, kGpuOperator, kHami };

/// HAMi's plugin registers a node's GPUs with HAMi's scheduler in this
/// annotation of the Node (Project-HAMi/HAMi, pkg/device/nvidia).
inline constexpr const char* kHamiAnnotation = "hami.io/node-nvidia-register";

/// What a Node's metadata shows of them.
struct NodeSigns {
  std::string node;             ///< Its name; empty: nothing was read.
  bool has_hami = false;        ///< It has HAMi's annotation.
  std::string operator_plugin;  ///< gpu-operator's label; empty: not there.
};

NodeSigns read_signs(const kube::NodeMeta& node);

/// "GPU-...-0": HAMi's form of an id. NVIDIA's and ours are "GPU-..." alone or
/// with "::0" behind it.
bool is_hami_id(std::string_view id);

/// By the name of its process, as far as that is seen, by the ids that it has
/// registered, and by the Node.
Rival identify(std::string_view program, const std::vector<std::string>& ids,
               const NodeSigns& signs);

/// "HAMi's device plugin".
std::string_view name_of(Rival rival);

/// What the operator may do so that this agent serves.
std::string remedy_for(Rival rival, const NodeSigns& signs);

/// What the Node's metadata lets one expect of others while this agent serves;
/// a sentence each.
std::vector<std::string> warnings_of(const NodeSigns& signs);

}  // namespace gpunode::plugin
