#include "container/engines/device_nodes.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "gpu/procfs/device_majors.h"
#include "gpu/procfs/gpu_list.h"
#include "gpu/procfs/mig_minors.h"

namespace gpunode::engines {
namespace {

using procfs::DeviceMajors;

constexpr unsigned kModesetMinor = 254;
constexpr unsigned kControlMinor = 255;

std::vector<DeviceNode> control_nodes_of(const DeviceMajors& majors) {
  std::vector<DeviceNode> nodes;
  if (const auto major = majors.of("nvidia")) {
    nodes.push_back({"/dev/nvidia-modeset", *major, kModesetMinor});
    nodes.push_back({"/dev/nvidiactl", *major, kControlMinor});
  }
  if (const auto major = majors.of("nvidia-uvm")) {
    nodes.push_back({"/dev/nvidia-uvm", *major, 0});
    nodes.push_back({"/dev/nvidia-uvm-tools", *major, 1});
  }
  return nodes;
}

Result<DeviceMajors> driver_majors(const host::HostRoot& root) {
  TRY(auto majors, DeviceMajors::load(root));
  if (!majors.of("nvidia")) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{} has no nvidia: the driver is not loaded; run "
                             "modprobe nvidia",
                             root.outside("proc/devices")));
  }
  return majors;
}

bool is_wanted_name(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kOthers = {
      "nvidia-fs", "nvidia-nvswitch", "nvidia-nvlink"};
  return name.starts_with("nvidia") &&
         std::ranges::none_of(kOthers, [name](std::string_view other) {
           return name.starts_with(other);
         });
}

void add_present(const host::HostRoot& root, const std::string& directory,
                 std::vector<DeviceNode>& into) {
  const auto names = root.list_directory(directory);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!is_wanted_name(name)) continue;
    const std::string path = fmt::format("{}/{}", directory, name);
    const auto status = root.status(path);
    if (status && status->kind == host::FileKind::kCharDevice) {
      into.push_back({path, status->device_major, status->device_minor});
    }
  }
}

bool leads_to(const std::string& text, const std::string& node) {
  return text == node ||
         (text.starts_with("../") && "/dev/" + text.substr(3) == node);
}

NodeChange judge_link(const host::HostRoot& root, const std::string& directory,
                      const DeviceNode& node, bool may_replace) {
  NodeChange change{NodeChange::Kind::kMade,
                    fmt::format("{}/{}:{}", directory, node.major, node.minor),
                    node.path};
  if (const auto text = root.read_link(change.path)) {
    if (leads_to(*text, node.path)) {
      change.kind = NodeChange::Kind::kPresent;
    } else {
      change.kind =
          may_replace ? NodeChange::Kind::kReplaced : NodeChange::Kind::kWrong;
    }
  } else if (root.exists(change.path)) {
    change.kind = NodeChange::Kind::kWrong;
  }
  return change;
}

NodeChange judge_node(const host::HostRoot& root, const DeviceNode& node) {
  NodeChange change{NodeChange::Kind::kMade, node.path,
                    fmt::format("{}:{}", node.major, node.minor)};
  if (const auto status = root.status(node.path)) {
    const bool is_right = status->kind == host::FileKind::kCharDevice &&
                          status->device_major == node.major &&
                          status->device_minor == node.minor;
    change.kind =
        is_right ? NodeChange::Kind::kPresent : NodeChange::Kind::kWrong;
  }
  return change;
}

bool is_to_make(const NodeChange& change) {
  return change.kind == NodeChange::Kind::kMade ||
         change.kind == NodeChange::Kind::kReplaced;
}

}  // namespace

std::vector<DeviceNode> present_nodes(const host::HostRoot& root) {
  std::vector<DeviceNode> nodes;
  add_present(root, "/dev", nodes);
  add_present(root, "/dev/nvidia-caps", nodes);
  return nodes;
}

Result<std::vector<DeviceNode>> control_nodes(const host::HostRoot& root) {
  TRY(const DeviceMajors majors, driver_majors(root));
  return control_nodes_of(majors);
}

Result<std::vector<DeviceNode>> all_nodes(const host::HostRoot& root) {
  TRY(const DeviceMajors majors, driver_majors(root));
  TRY(const device::Inventory inventory, procfs::list_gpus(root));
  TRY(const procfs::MigMinors capabilities, procfs::MigMinors::load(root));
  std::vector<DeviceNode> nodes = control_nodes_of(majors);
  for (const device::Gpu& gpu : inventory.gpus) {
    nodes.push_back({fmt::format("/dev/nvidia{}", gpu.minor.value),
                     *majors.of("nvidia"), gpu.minor.value});
  }
  if (const auto major = majors.of("nvidia-caps")) {
    for (const unsigned minor : capabilities.all()) {
      nodes.push_back(
          {fmt::format("/dev/nvidia-caps/nvidia-cap{}", minor), *major, minor});
    }
  }
  return nodes;
}

Result<std::vector<NodeChange>> link_nodes(const host::HostRoot& root,
                                           const std::string& directory,
                                           const std::vector<DeviceNode>& nodes,
                                           const ChangeMode& mode) {
  TRY(const host::RootDirectory within, host::open_host(root));
  if (!mode.is_dry_run) {
    auto made = within.make_directories(directory);
    if (!made) return host::below(root, std::move(made).error());
  }
  std::vector<NodeChange> changes;
  for (const DeviceNode& node : nodes) {
    const NodeChange& change = changes.emplace_back(
        judge_link(root, directory, node, mode.may_replace));
    if (mode.is_dry_run || !is_to_make(change)) continue;
    auto made = within.replace_link(change.path, change.target);
    if (!made) return host::below(root, std::move(made).error());
  }
  return changes;
}

Result<std::vector<NodeChange>> make_nodes(const host::HostRoot& root,
                                           const std::vector<DeviceNode>& nodes,
                                           const ChangeMode& mode) {
  TRY(const host::RootDirectory within, host::open_host(root));
  std::vector<NodeChange> changes;
  for (const DeviceNode& node : nodes) {
    const NodeChange& change = changes.emplace_back(judge_node(root, node));
    if (mode.is_dry_run || !is_to_make(change)) continue;
    auto made = within.make_device(node.path, S_IFCHR | 0666,
                                   makedev(node.major, node.minor));
    if (!made) return host::below(root, std::move(made).error());
  }
  return changes;
}

}  // namespace gpunode::engines
