#include "container/cdi/generator.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "container/cdi/driver_directory.h"
#include "container/cdi/names.h"
#include "container/cdi/registry.h"
#include "container/cdi/spec_order.h"

namespace gpunode::cdi {
namespace {

using Group = NodeFile::Group;

struct ModeName {
  std::string_view name;
  Mode mode;
  std::string_view klass;
};

constexpr auto kModes = std::to_array<ModeName>({
    {"auto", Mode::kGpus, "gpu"},
    {"nvml", Mode::kGpus, "gpu"},
    {"management", Mode::kManagement, "gpu"},
    {"gds", Mode::kGds, "gds"},
    {"mofed", Mode::kMofed, "mofed"},
    {"gdrcopy", Mode::kGdrcopy, "gdrcopy"},
    {"nvswitch", Mode::kNvswitch, "nvswitch"},
    {"imex", Mode::kImex, "imex-channel"},
});

const std::vector<std::string> kReadOnly = {"ro", "nosuid", "nodev", "rbind",
                                            "rprivate"};
const std::vector<std::string> kSocket = {"nosuid", "nodev", "rbind",
                                          "rprivate", "noexec"};

std::string on_host(const std::string& root, const std::string& path) {
  return root.empty() || root == "/" ? path : joined_path(root, path);
}

/// Which GPU, and which MIG device of it, a name means.
struct Target {
  const device::Gpu* gpu;
  const device::MigDevice* mig;  // Null: the whole GPU.
};

/// What can be handed out, in order: a GPU in MIG mode is its MIG devices.
std::vector<Target> targets_of(const device::Inventory& inventory) {
  std::vector<Target> targets;
  for (const device::Gpu& gpu : inventory.gpus) {
    if (!gpu.mig_enabled) targets.push_back({&gpu, nullptr});
    for (const device::MigDevice& mig : gpu.mig_devices) {
      targets.push_back({&gpu, &mig});
    }
  }
  return targets;
}

std::string index_of(const Target& target) {
  return target.mig == nullptr ? fmt::format("{}", target.gpu->index.value)
                               : fmt::format("{}:{}", target.gpu->index.value,
                                             target.mig->mig_index);
}

const std::string& uuid_of(const Target& target) {
  return target.mig == nullptr ? target.gpu->id.value : target.mig->id.value;
}

std::string name_of(const Target& target, DeviceNaming naming) {
  switch (naming) {
    case DeviceNaming::kIndex:
      return index_of(target);
    case DeviceNaming::kUuid:
      return uuid_of(target);
    case DeviceNaming::kTypeIndex:
      return (target.mig == nullptr ? "gpu" : "mig") + index_of(target);
  }
  return "";
}

void add_node_at(ContainerEdits& edits, const Findings& found,
                 const std::string& path, const GeneratorOptions& options) {
  if (path.empty()) return;
  if (const NodeFile* node = found.devices.find(path)) {
    add_node(edits, *node, options);
  }
}

void add_drm(ContainerEdits& edits, const Findings& found,
             const device::Gpu& gpu, const GeneratorOptions& options) {
  const auto drm = std::ranges::find(found.devices.drm, gpu.pci_bus_id,
                                     &DrmFiles::pci_bus_id);
  if (drm == found.devices.drm.end()) return;
  for (const std::string& path : drm->paths) {
    add_node_at(edits, found, path, options);
  }
  HookWork work;
  for (const auto& [name, target] : drm->by_path) {
    work.links.push_back({target, "/dev/dri/by-path/" + name});
  }
  work.chmod_paths = {"/dev/dri"};
  for (Hook& hook : make_hooks(work, options.hooks)) {
    edits.hooks.push_back(std::move(hook));
  }
}

bool has_graphics(const device::MigDevice& mig) {
  return mig.profile.find("gfx") != std::string::npos;
}

ContainerEdits target_edits(const Findings& found, const Target& target,
                            const GeneratorOptions& options) {
  ContainerEdits edits;
  add_node_at(edits, found,
              fmt::format("/dev/nvidia{}", target.gpu->minor.value), options);
  if (target.mig != nullptr) {
    add_node_at(edits, found, target.mig->gpu_instance_cap_path, options);
    add_node_at(edits, found, target.mig->compute_instance_cap_path, options);
  }
  const bool can_draw = target.mig == nullptr || has_graphics(*target.mig);
  const bool wants_drm =
      options.capabilities.has(DriverCapability::kGraphics) ||
      options.capabilities.has(DriverCapability::kDisplay);
  if (can_draw && wants_drm) add_drm(edits, found, *target.gpu, options);
  return edits;
}

void add_group(ContainerEdits& edits, const Findings& found, Group group,
               const GeneratorOptions& options) {
  for (const NodeFile& node : found.devices.nodes) {
    if (node.group == group) add_node(edits, node, options);
  }
}

/// The pseudo-device of a container that wants no GPU. A device without edits
/// is not valid.
ContainerEdits empty_device_edits() {
  ContainerEdits edits;
  edits.env = {"NVCT_EMPTY_DEVICE="};
  return edits;
}

Error unknown_id(const std::string& id) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("identifier is not a valid UUID or index: {}",
                      in_quotes(id))};
}

/// Whether a container that asks for `id` means `target`.
bool is_meant(const Target& target, const std::string& id) {
  if (id == "all" || id == index_of(target) || id == uuid_of(target)) {
    return true;
  }
  if (target.mig == nullptr) return false;
  // A GPU in MIG mode stands for its parts.
  if (id == fmt::format("{}", target.gpu->index.value) ||
      id == target.gpu->id.value) {
    return true;
  }
  // How drivers before 470 called it, and some still do.
  return id == fmt::format("MIG-{}/{}/{}", target.gpu->id.value,
                           target.mig->gpu_instance,
                           target.mig->compute_instance);
}

Result<std::vector<Target>> choose(const Findings& found,
                                   std::span<const std::string> ids) {
  const std::vector<Target> targets = targets_of(found.inventory);
  std::vector<Target> chosen;
  std::set<std::string> seen;
  const auto take = [&](const Target& target) {
    if (seen.insert(index_of(target)).second) chosen.push_back(target);
  };
  for (const std::string& id : ids) {
    bool is_known = id == "all";
    for (const Target& target : targets) {
      if (id.empty() || !is_meant(target, id)) continue;
      is_known = true;
      take(target);
    }
    if (!is_known) return unknown_id(id);
  }
  return chosen;
}

Result<void> require_driver(const Findings& found) {
  if (!found.driver.version.empty()) return {};
  return Error(ErrorCode::kNotFound, found.driver.problems.empty()
                                         ? "no NVIDIA driver was found"
                                         : found.driver.problems.front());
}

/// `all` is every device's edits.
void add_all_device(Spec& spec) {
  Device all;
  all.name = "all";
  for (const Device& device : spec.devices) append(all.edits, device.edits);
  merge_apply_hooks(all.edits);
  spec.devices.push_back(std::move(all));
}

Result<void> add_gpu_devices(Spec& spec, const Findings& found,
                             const GeneratorOptions& options) {
  const std::vector<std::string> every = {"all"};
  const bool wants_none =
      options.device_ids.size() == 1 && options.device_ids[0] == "none";
  if (wants_none) {
    spec.devices.push_back({"none", {}, empty_device_edits()});
    return {};
  }
  TRY(const std::vector<Target> targets,
      choose(found, options.device_ids.empty() ? every : options.device_ids));
  for (const Target& target : targets) {
    const ContainerEdits edits = target_edits(found, target, options);
    if (edits.is_empty()) continue;  // No node, and the kernel knows none.
    for (const DeviceNaming naming : options.naming) {
      std::string name = name_of(target, naming);
      if (!name.empty()) spec.devices.push_back({std::move(name), {}, edits});
    }
  }
  if (spec.devices.empty()) {
    return Error(ErrorCode::kNotFound,
                 "no GPU to hand out: the driver lists none, or none has a "
                 "device node");
  }
  if (options.with_all_device) add_all_device(spec);
  return {};
}

/// One device for each IMEX channel.
void add_imex_devices(Spec& spec, const Findings& found,
                      const GeneratorOptions& options) {
  constexpr std::string_view kChannel =
      "/dev/nvidia-caps-imex-channels/channel";
  for (const NodeFile& node : found.devices.nodes) {
    if (node.group != Group::kImex) continue;
    Device& device = spec.devices.emplace_back();
    device.name = node.path.substr(kChannel.size());
    add_node(device.edits, node, options);
  }
}

void add_gds_mounts(ContainerEdits& edits, const GeneratorOptions& options) {
  const auto mount = [&](const char* path) {
    edits.mounts.push_back(
        {on_host(options.driver_root, path), path, kReadOnly, ""});
  };
  if (options.has_udev) mount("/run/udev");
  if (options.has_cufile_config) mount("/etc/cufile.json");
}

std::vector<Group> groups_of(Mode mode) {
  switch (mode) {
    case Mode::kManagement:
      return {Group::kGpu, Group::kControl, Group::kCapability, Group::kOther,
              Group::kImex};
    case Mode::kGds:
      return {Group::kGds};
    case Mode::kMofed:
      return {Group::kMofed};
    case Mode::kGdrcopy:
      return {Group::kGdrcopy};
    case Mode::kNvswitch:
      return {Group::kNvswitch};
    case Mode::kGpus:
    case Mode::kImex:
      break;
  }
  return {};
}

void add_single_device(Spec& spec, const Findings& found,
                       const GeneratorOptions& options) {
  Device all{"all", {}, {}};
  for (const Group group : groups_of(options.mode)) {
    add_group(all.edits, found, group, options);
  }
  if (all.edits.is_empty()) return;
  if (options.mode == Mode::kGds) add_gds_mounts(all.edits, options);
  spec.devices.push_back(std::move(all));
}

}  // namespace

std::string_view default_class(Mode mode) {
  return std::ranges::find(kModes, mode, &ModeName::mode)->klass;
}

Result<Mode> parse_mode(std::string_view name) {
  const auto* const found = std::ranges::find(kModes, name, &ModeName::name);
  if (found != kModes.end()) return found->mode;
  if (name == "csv" || name == "wsl") {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("discovery mode {} is not served: it is for {}; "
                    "NVIDIA's nvidia-ctk writes such specs",
                    name,
                    name == "csv" ? "Tegra systems"
                                  : "the Windows Subsystem for Linux"));
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("invalid discovery mode: {}", name));
}

void add_node(ContainerEdits& edits, const NodeFile& node,
              const GeneratorOptions& options) {
  DeviceNode& added = edits.device_nodes.emplace_back();
  added.path = node.path;
  const std::string host_path = on_host(options.dev_root, node.path);
  if (host_path != node.path) added.host_path = host_path;
  // With type and numbers given, no engine looks for the host's node.
  if (node.is_missing) added.type = "c";
  added.major = node.major;
  added.minor = node.minor;
  added.file_mode = node.mode;
  added.permissions = "rwm";
  if (node.gid == 0) return;
  added.gid = node.gid;
  constexpr std::uint32_t kOthersReadWrite = 06;
  const bool is_for_all = (node.mode & kOthersReadWrite) == kOthersReadWrite;
  if (!is_for_all && options.with_additional_gids) {
    edits.additional_gids.push_back(node.gid);
  }
}

ContainerEdits common_edits(const Findings& found,
                            const GeneratorOptions& options) {
  ContainerEdits edits;
  const DriverFiles& driver = found.driver;
  if (!driver.libcuda_directories.empty()) {
    edits.env.push_back(
        fmt::format("NVIDIA_CTK_LIBCUDA_DIR={}",
                    fmt::join(driver.libcuda_directories, ":")));
  }
  // So that a runtime inside the container does not do it all again.
  edits.env.emplace_back("NVIDIA_VISIBLE_DEVICES=void");
  // One device with every node: there the control nodes are its own.
  const bool is_management = options.mode == Mode::kManagement;
  if (!is_management) add_group(edits, found, Group::kControl, options);
  add_group(edits, found, Group::kAdditional, options);
  HookWork work;
  std::set<std::string> folders;
  for (const DriverFile& file : driver.files) {
    if (!file.is_granted(options.capabilities)) continue;
    const bool is_socket = file.kind == DriverFile::Kind::kSocket;
    edits.mounts.push_back({on_host(options.driver_root, file.source),
                            file.path, is_socket ? kSocket : kReadOnly, ""});
    if (file.kind == DriverFile::Kind::kLibrary) {
      folders.insert(directory_of(file.path));
    }
  }
  for (const DriverLink& link : driver.links) {
    if (link.is_granted(options.capabilities)) {
      work.links.push_back({link.target, link.path});
    }
  }
  work.library_folders.assign(folders.begin(), folders.end());
  work.host_driver_version = driver.version;
  work.device_node_policy = !is_management;
  work.application_profile = !is_management;
  edits.hooks = make_hooks(work, options.hooks);
  return edits;
}

Result<Spec> generate(const Findings& found, const GeneratorOptions& options) {
  Spec spec;
  const std::string klass = options.klass.empty()
                                ? std::string(default_class(options.mode))
                                : options.klass;
  spec.kind = options.vendor + "/" + klass;
  if (const auto fault = fault_of_kind(spec.kind)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("kind {} {}", in_quotes(spec.kind), *fault));
  }
  switch (options.mode) {
    case Mode::kGpus:
      TRY_VOID(require_driver(found));
      TRY_VOID(add_gpu_devices(spec, found, options));
      spec.edits = common_edits(found, options);
      break;
    case Mode::kManagement:
      TRY_VOID(require_driver(found));
      add_single_device(spec, found, options);
      spec.edits = common_edits(found, options);
      break;
    case Mode::kImex:
      add_imex_devices(spec, found, options);
      spec.edits.env = {"NVIDIA_VISIBLE_DEVICES=void"};
      break;
    default:
      add_single_device(spec, found, options);
      spec.edits.env = {"NVIDIA_VISIBLE_DEVICES=void"};
      break;
  }
  if (spec.devices.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("no device node for {} on this host", spec.kind));
  }
  tidy(spec);
  return spec;
}

/// A slice without the nodes that grant it would start and see no GPU.
Result<void> require_capabilities(const Findings& found, const Target& target) {
  if (target.mig == nullptr) return {};
  for (const std::string& path : {target.mig->gpu_instance_cap_path,
                                  target.mig->compute_instance_cap_path}) {
    if (!path.empty() && found.devices.find(path) != nullptr) continue;
    return Error(
        ErrorCode::kUnavailable,
        fmt::format("MIG device {} has no capability node {}; is the "
                    "driver's nvidia-caps there?",
                    index_of(target), path.empty() ? "in mig-minors" : path));
  }
  return {};
}

Result<ContainerEdits> edits_for(const Findings& found,
                                 std::span<const std::string> ids,
                                 const GeneratorOptions& options) {
  TRY_VOID(require_driver(found));
  ContainerEdits edits;
  if (ids.size() == 1 && ids[0] == "none") {
    edits = empty_device_edits();
  } else {
    TRY(const std::vector<Target> targets, choose(found, ids));
    for (const Target& target : targets) {
      TRY_VOID(require_capabilities(found, target));
      ContainerEdits own = target_edits(found, target, options);
      if (own.device_nodes.empty()) {
        return Error(ErrorCode::kUnavailable,
                     fmt::format("GPU {} has no device node /dev/nvidia{}; is "
                                 "the driver loaded?",
                                 index_of(target), target.gpu->minor.value));
      }
      append(edits, own);
    }
  }
  append(edits, common_edits(found, options));
  merge_apply_hooks(edits);
  return edits;
}

}  // namespace gpunode::cdi
