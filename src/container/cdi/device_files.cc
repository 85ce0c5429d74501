#include "container/cdi/device_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "container/cdi/driver_directory.h"
#include "gpu/procfs/device_majors.h"

namespace gpunode::cdi {
namespace {

using Group = NodeFile::Group;

/// A control node: what /proc/devices calls it and which minor it has.
struct ControlNode {
  std::string_view path;
  std::string_view driver;
  std::int64_t minor;
};

constexpr auto kControlNodes = std::to_array<ControlNode>({
    {"/dev/nvidiactl", "nvidiactl", 255},
    {"/dev/nvidia-modeset", "nvidia-modeset", 254},
    {"/dev/nvidia-uvm", "nvidia-uvm", 0},
    {"/dev/nvidia-uvm-tools", "nvidia-uvm", 1},
});

constexpr std::string_view kCapabilityNode = "/dev/nvidia-caps/nvidia-cap";

std::optional<Group> group_in_dev(std::string_view name) {
  if (name == "gdrdrv") return Group::kGdrcopy;
  if (!name.starts_with("nvidia")) return std::nullopt;
  if (is_number(name.substr(6))) return Group::kGpu;
  const bool is_control = std::ranges::any_of(
      kControlNodes,
      [name](const ControlNode& node) { return node.path.substr(5) == name; });
  if (is_control) return Group::kControl;
  if (name.starts_with("nvidia-fs")) return Group::kGds;
  if (name.starts_with("nvidia-nvswitch")) return Group::kNvswitch;
  if (name.starts_with("nvidia-nvlink")) return std::nullopt;
  return Group::kOther;
}

class Search {
 public:
  Search(const DeviceSearch& search, const device::Inventory& inventory)
      : search_(search), inventory_(inventory) {}

  DeviceFiles run() {
    list("/dev", group_in_dev);
    list("/dev/nvidia-caps", [](std::string_view name) {
      return name.starts_with("nvidia-cap") ? std::optional(Group::kCapability)
                                            : std::nullopt;
    });
    list("/dev/infiniband", [](std::string_view name) {
      return name.starts_with("uverbs") || name == "rdma_cm"
                 ? std::optional(Group::kMofed)
                 : std::nullopt;
    });
    if (search_.with_imex_channels) {
      list("/dev/nvidia-caps-imex-channels", [](std::string_view name) {
        return name.starts_with("channel") && is_number(name.substr(7))
                   ? std::optional(Group::kImex)
                   : std::nullopt;
      });
    }
    add_drm();
    add_additional();
    add_missing();
    sort_nodes();
    return std::move(found_);
  }

 private:
  template <class Choose>
  void list(const std::string& directory, Choose choose) {
    found_.witnesses.push_back(directory);
    const auto names = search_.dev_root.list_directory(directory);
    if (!names) return;
    for (const std::string& name : *names) {
      const std::optional<Group> group = choose(name);
      if (group) add(*group, joined_path(directory, name));
    }
  }

  bool add(Group group, const std::string& path) {
    const auto fd = search_.dev_root.open(path, O_PATH);
    struct stat status {};
    if (!fd || ::fstat(fd->get(), &status) != 0 || !S_ISCHR(status.st_mode)) {
      return false;
    }
    NodeFile node;
    node.group = group;
    node.path = path;
    node.major = major(status.st_rdev);
    node.minor = minor(status.st_rdev);
    node.mode = status.st_mode & 0777U;
    node.gid = status.st_gid;
    found_.nodes.push_back(std::move(node));
    return true;
  }

  void add_drm() {
    found_.witnesses.emplace_back("/dev/dri");
    for (const device::Gpu& gpu : inventory_.gpus) {
      const auto names = search_.host.list_directory(
          fmt::format("/sys/bus/pci/devices/{}/drm", gpu.pci_bus_id));
      if (gpu.pci_bus_id.empty() || !names) continue;
      DrmFiles drm;
      drm.pci_bus_id = gpu.pci_bus_id;
      for (const std::string& name : *names) {
        if (!name.starts_with("card") && !name.starts_with("renderD")) continue;
        const std::string path = "/dev/dri/" + name;
        if (add(Group::kDrm, path)) drm.paths.push_back(path);
      }
      add_by_path(drm);
      if (!drm.paths.empty()) found_.drm.push_back(std::move(drm));
    }
  }

  void add_by_path(DrmFiles& drm) const {
    for (const char* kind : {"card", "render"}) {
      const std::string name = fmt::format("pci-{}-{}", drm.pci_bus_id, kind);
      auto target = search_.dev_root.read_link("/dev/dri/by-path/" + name);
      if (!target) continue;
      const std::string end = target->substr(target->rfind('/') + 1);
      const bool is_ours =
          std::ranges::find(drm.paths, "/dev/dri/" + end) != drm.paths.end();
      if (is_ours) drm.by_path.emplace_back(name, *std::move(target));
    }
  }

  void add_additional() {
    for (const std::string& path : search_.additional_devices) {
      if (add(Group::kAdditional, path)) continue;
      found_.problems.push_back(fmt::format(
          "additional device {} is not there or no character device", path));
    }
  }

  bool has(std::string_view path) const {
    return std::ranges::find(found_.nodes, path, &NodeFile::path) !=
           found_.nodes.end();
  }

  void add_missing() {
    const auto majors = procfs::DeviceMajors::load(search_.host);
    if (!majors) return;
    const auto make = [this](Group group, std::string path,
                             std::optional<unsigned> major, std::int64_t minor,
                             std::uint32_t mode) {
      if (!major || has(path)) return;
      found_.nodes.push_back(
          {group, std::move(path), *major, minor, mode, 0, true});
    };
    constexpr std::uint32_t kForAll = 0666;
    for (const ControlNode& node : kControlNodes) {
      make(Group::kControl, std::string(node.path), majors->of(node.driver),
           node.minor, kForAll);
    }
    for (const device::Gpu& gpu : inventory_.gpus) {
      make(Group::kGpu, fmt::format("/dev/nvidia{}", gpu.minor.value),
           majors->of("nvidia"), gpu.minor.value, kForAll);
      for (const device::MigDevice& mig : gpu.mig_devices) {
        for (const std::string& path :
             {mig.gpu_instance_cap_path, mig.compute_instance_cap_path}) {
          const auto minor = capability_minor(path);
          constexpr std::uint32_t kToRead = 0444;
          if (minor) {
            make(Group::kCapability, path, majors->of("nvidia-caps"), *minor,
                 kToRead);
          }
        }
      }
    }
  }

  static std::optional<std::int64_t> capability_minor(std::string_view path) {
    if (!path.starts_with(kCapabilityNode)) return std::nullopt;
    path.remove_prefix(kCapabilityNode.size());
    std::int64_t minor = 0;
    const char* const end = path.data() + path.size();
    const auto [stop, error] = std::from_chars(path.data(), end, minor);
    if (error != std::errc() || stop != end) return std::nullopt;
    return minor;
  }

  void sort_nodes() {
    std::ranges::stable_sort(found_.nodes, {}, &NodeFile::path);
    // std::unique: clang 14 cannot compile libstdc++ 12's std::ranges one.
    const auto rest = std::unique(
        found_.nodes.begin(), found_.nodes.end(),
        [](const auto& a, const auto& b) { return a.path == b.path; });
    found_.nodes.erase(rest, found_.nodes.end());
  }

  const DeviceSearch& search_;
  const device::Inventory& inventory_;
  DeviceFiles found_;
};

}  // namespace

const NodeFile* DeviceFiles::find(const std::string& path) const {
  const auto found = std::ranges::lower_bound(nodes, path, {}, &NodeFile::path);
  return found != nodes.end() && found->path == path ? &*found : nullptr;
}

DeviceFiles find_device_files(const DeviceSearch& search,
                              const device::Inventory& inventory) {
  return Search(search, inventory).run();
}

}  // namespace gpunode::cdi
