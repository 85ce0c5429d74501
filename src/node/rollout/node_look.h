// A Node as a roll-out sees it, and whether it is well. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/rollout/node_mark.h"

namespace gpunode::rollout {

struct NodeLook {
  std::string name;
  NodeVersion version;
  bool is_ready = false;
  std::string ready_words;  ///< The kubelet's, or the node controller's.
  bool is_cordoned = false;
  bool is_control_plane = false;
  std::uint64_t gpus = 0;   ///< Allocatable: nvidia.com/gpu*, nvidia.com/mig-*.
  std::string attention;    ///< What gpunode-check tells of it; empty: nothing.
  std::string done_digest;  ///< Of the file that was rolled out here at last.
  std::string bring_label;  ///< Which file the bringer is wanted for.
  std::optional<NodeMark> mark;
  /// There is a mark, and nobody of ours wrote it; empty: no such thing.
  std::string mark_trouble;
};

/// kCorrupt if it is no Node.
Result<NodeLook> read_node(std::string_view json);

/// Why a Node to which a file was applied is not well, a line each; none: it
/// is. `allows_fewer_gpus` for files that mean to offer fewer.
std::vector<std::string> complaints_of(const NodeLook& node,
                                       std::uint64_t gpus_before,
                                       bool allows_fewer_gpus);

}  // namespace gpunode::rollout
