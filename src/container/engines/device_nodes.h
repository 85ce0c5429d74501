// The device nodes of NVIDIA's driver and the links that systemd finds them by.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"

namespace gpunode::engines {

/// A character device as it is or should be.
struct DeviceNode {
  std::string path;  ///< "/dev/nvidia0"
  unsigned major = 0;
  unsigned minor = 0;

  friend bool operator==(const DeviceNode&, const DeviceNode&) = default;
};

/// The nodes that are there: /dev/nvidia*, /dev/nvidia-caps/nvidia-*; not those
/// of file systems, switches and links between GPUs.
std::vector<DeviceNode> present_nodes(const host::HostRoot& root);

/// nvidia-modeset, nvidiactl, nvidia-uvm and nvidia-uvm-tools, as far as
/// /proc/devices has majors for them. Fails if it has none at all: the driver
/// is not loaded.
Result<std::vector<DeviceNode>> control_nodes(const host::HostRoot& root);

/// control_nodes, nvidiaN of every GPU of the driver by the minor it has, and
/// every capability of MIG in the driver's list, whatever holes its numbering
/// has. A GPU that cannot be read is left out: nobody knows its minor.
Result<std::vector<DeviceNode>> all_nodes(const host::HostRoot& root);

/// What was or, if nothing may change, would be done to one path.
struct NodeChange {
  enum class Kind {
    kMade,
    kPresent,   ///< It was there and right.
    kWrong,     ///< It is there and something else; left alone.
    kReplaced,  ///< A link that led elsewhere leads right now.
  };
  Kind kind = Kind::kMade;
  std::string path;
  std::string target;  ///< Of a link: the node. Of a node: "195:0".
};

struct ChangeMode {
  bool is_dry_run = false;
  bool may_replace = false;  ///< Links that lead elsewhere.
};

/// Makes DIRECTORY/MAJOR:MINOR for each node, the directory too. Links that
/// udev would make lead to "../NAME"; they count as right. As everywhere here,
/// no link leads out of `root`.
Result<std::vector<NodeChange>> link_nodes(const host::HostRoot& root,
                                           const std::string& directory,
                                           const std::vector<DeviceNode>& nodes,
                                           const ChangeMode& mode);

/// Makes nodes that are not there, with mode 0666.
Result<std::vector<NodeChange>> make_nodes(const host::HostRoot& root,
                                           const std::vector<DeviceNode>& nodes,
                                           const ChangeMode& mode);

}  // namespace gpunode::engines
