#include "container/engines/device_nodes.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace gpunode::engines {
namespace {

constexpr unsigned kModesetMinor = 254;
constexpr unsigned kControlMinor = 255;

using Majors = std::map<std::string, unsigned, std::less<>>;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t feed = std::min(text.size(), text.find('\n'));
    lines.push_back(text.substr(0, feed));
    text.remove_prefix(std::min(text.size(), feed + 1));
  }
  return lines;
}

std::optional<unsigned> number_in(std::string_view digits) {
  unsigned number = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return number;
}

// "Character devices:", then lines like "195 nvidia".
Result<Majors> character_majors(const host::HostRoot& root) {
  TRY(const std::string text, root.read_file("proc/devices"));
  Majors majors;
  for (std::string_view line : lines_of(text)) {
    if (line.starts_with("Block")) break;
    while (line.starts_with(' ')) line.remove_prefix(1);
    const std::size_t space = line.find(' ');
    if (space == line.npos) continue;
    if (const auto major = number_in(line.substr(0, space))) {
      majors.emplace(line.substr(space + 1), *major);
    }
  }
  return majors;
}

std::optional<unsigned> major_of(const Majors& majors, std::string_view name) {
  const auto found = majors.find(name);
  if (found == majors.end()) return std::nullopt;
  return found->second;
}

// Drivers before 550 or so call themselves nvidia-frontend.
std::optional<unsigned> nvidia_major(const Majors& majors) {
  const auto major = major_of(majors, "nvidia");
  return major ? major : major_of(majors, "nvidia-frontend");
}

std::vector<DeviceNode> control_nodes_of(const Majors& majors) {
  std::vector<DeviceNode> nodes;
  if (const auto major = nvidia_major(majors)) {
    nodes.push_back({"/dev/nvidia-modeset", *major, kModesetMinor});
    nodes.push_back({"/dev/nvidiactl", *major, kControlMinor});
  }
  if (const auto major = major_of(majors, "nvidia-uvm")) {
    nodes.push_back({"/dev/nvidia-uvm", *major, 0});
    nodes.push_back({"/dev/nvidia-uvm-tools", *major, 1});
  }
  return nodes;
}

Result<Majors> driver_majors(const host::HostRoot& root) {
  TRY(auto majors, character_majors(root));
  if (!nvidia_major(majors)) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("{} has no nvidia: the driver is not loaded; run "
                             "modprobe nvidia",
                             root.outside("proc/devices")));
  }
  return majors;
}

bool is_gpu(const host::HostRoot& root, const std::string& device) {
  const auto vendor = root.read_file(device + "/vendor");
  const auto kind = root.read_file(device + "/class");
  return vendor && vendor->starts_with("0x10de") && kind &&
         (kind->starts_with("0x0300") || kind->starts_with("0x0302"));
}

unsigned gpu_count(const host::HostRoot& root) {
  const std::string bus = "sys/bus/pci/devices";
  const auto devices = root.list_directory(bus);
  if (!devices) return 0;
  return static_cast<unsigned>(std::ranges::count_if(
      *devices,
      [&](const std::string& name) { return is_gpu(root, bus + "/" + name); }));
}

// Lines "gpu0/gi1/ci0/access 12", "config 1".
std::vector<DeviceNode> capability_nodes(const host::HostRoot& root,
                                         unsigned major) {
  std::vector<DeviceNode> nodes;
  const auto text = root.read_file("proc/driver/nvidia-caps/mig-minors");
  if (!text) return nodes;
  for (const std::string_view line : lines_of(*text)) {
    const std::size_t space = line.rfind(' ');
    if (space == line.npos) continue;
    if (const auto minor = number_in(line.substr(space + 1))) {
      nodes.push_back({fmt::format("/dev/nvidia-caps/nvidia-cap{}", *minor),
                       major, *minor});
    }
  }
  return nodes;
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

Result<void> make_directory(const host::HostRoot& root,
                            const std::string& path) {
  const std::string outside = root.outside(path);
  if (::mkdir(outside.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return Error::from_errno("make " + outside, errno);
}

Result<void> make_link(const std::string& link, const std::string& target) {
  const std::string temporary = link + ".tmp";
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0 ||
      ::rename(temporary.c_str(), link.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return Error::from_errno("make link " + link, error);
  }
  return {};
}

bool leads_to(const std::string& text, const std::string& node) {
  return text == node ||
         (text.starts_with("../") && "/dev/" + text.substr(3) == node);
}

Result<NodeChange> link_node(const host::HostRoot& root,
                             const std::string& directory,
                             const DeviceNode& node, const ChangeMode& mode) {
  const std::string path =
      fmt::format("{}/{}:{}", directory, node.major, node.minor);
  NodeChange change{NodeChange::Kind::kMade, path, node.path};
  if (const auto text = root.read_link(path)) {
    if (leads_to(*text, node.path)) {
      change.kind = NodeChange::Kind::kPresent;
      return change;
    }
    if (!mode.may_replace) {
      change.kind = NodeChange::Kind::kWrong;
      return change;
    }
    change.kind = NodeChange::Kind::kReplaced;
  } else if (root.exists(path)) {
    change.kind = NodeChange::Kind::kWrong;
    return change;
  }
  if (!mode.is_dry_run) TRY_VOID(make_link(root.outside(path), node.path));
  return change;
}

Result<NodeChange> make_node(const host::HostRoot& root, const DeviceNode& node,
                             const ChangeMode& mode) {
  NodeChange change{NodeChange::Kind::kMade, node.path,
                    fmt::format("{}:{}", node.major, node.minor)};
  if (const auto status = root.status(node.path)) {
    const bool is_right = status->kind == host::FileKind::kCharDevice &&
                          status->device_major == node.major &&
                          status->device_minor == node.minor;
    change.kind =
        is_right ? NodeChange::Kind::kPresent : NodeChange::Kind::kWrong;
    return change;
  }
  if (mode.is_dry_run) return change;
  const std::string outside = root.outside(node.path);
  TRY_VOID(make_directory(root, node.path.substr(0, node.path.rfind('/'))));
  // The umask must not keep containers' users out.
  if (::mknod(outside.c_str(), S_IFCHR | 0666,
              makedev(node.major, node.minor)) != 0 ||
      ::chmod(outside.c_str(), 0666) != 0) {
    return Error::from_errno("make node " + outside, errno);
  }
  return change;
}

}  // namespace

std::vector<DeviceNode> present_nodes(const host::HostRoot& root) {
  std::vector<DeviceNode> nodes;
  add_present(root, "/dev", nodes);
  add_present(root, "/dev/nvidia-caps", nodes);
  return nodes;
}

Result<std::vector<DeviceNode>> control_nodes(const host::HostRoot& root) {
  TRY(const Majors majors, driver_majors(root));
  return control_nodes_of(majors);
}

Result<std::vector<DeviceNode>> all_nodes(const host::HostRoot& root) {
  TRY(const Majors majors, driver_majors(root));
  std::vector<DeviceNode> nodes = control_nodes_of(majors);
  const unsigned count = gpu_count(root);
  for (unsigned i = 0; i < count; ++i) {
    nodes.push_back(
        {fmt::format("/dev/nvidia{}", i), *nvidia_major(majors), i});
  }
  if (const auto major = major_of(majors, "nvidia-caps")) {
    const auto capabilities = capability_nodes(root, *major);
    nodes.insert(nodes.end(), capabilities.begin(), capabilities.end());
  }
  return nodes;
}

Result<std::vector<NodeChange>> link_nodes(const host::HostRoot& root,
                                           const std::string& directory,
                                           const std::vector<DeviceNode>& nodes,
                                           const ChangeMode& mode) {
  if (!mode.is_dry_run) TRY_VOID(make_directory(root, directory));
  std::vector<NodeChange> changes;
  for (const DeviceNode& node : nodes) {
    TRY(auto change, link_node(root, directory, node, mode));
    changes.push_back(std::move(change));
  }
  return changes;
}

Result<std::vector<NodeChange>> make_nodes(const host::HostRoot& root,
                                           const std::vector<DeviceNode>& nodes,
                                           const ChangeMode& mode) {
  std::vector<NodeChange> changes;
  for (const DeviceNode& node : nodes) {
    TRY(auto change, make_node(root, node, mode));
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace gpunode::engines
