#include "apps/runtime/device_edits.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "apps/runtime/own_path.h"
#include "base/host/host_root.h"
#include "container/cdi/findings.h"
#include "container/cdi/generator.h"
#include "container/cdi/hooks.h"
#include "container/cdi/inventory_cache.h"
#include "container/cdi/registry.h"
#include "container/oci/capability_filter.h"
#include "gpu/procfs/gpu_list.h"
#include "gpu/procfs/mig_minors.h"

namespace gpunode::runtime {
namespace {

using cdi::ContainerEdits;

Result<std::vector<ContainerEdits>> resolve_specs(
    const oci::Plan& plan, const oci::ContainerRequest& request,
    const oci::ToolkitConfig& rules, const host::HostRoot& host) {
  const auto registry = cdi::Registry::load(host, rules.runtime.cdi_spec_dirs);
  auto edits = registry.resolve(plan.names);
  if (!edits) {
    return std::move(edits).error().with_context(
        "failed to inject CDI devices");
  }
  // A spec names all that the driver has. Whoever says what of it he wants
  // gets that; whoever does not gets the spec.
  if (request.has_chosen_capabilities) {
    oci::keep_capabilities(*edits, oci::capabilities_of(request.capabilities));
  }
  cdi::merge_apply_hooks(*edits);
  std::vector<ContainerEdits> all;
  all.push_back(*std::move(edits));
  return all;
}

bool has_flag(const std::vector<std::string>& flags, std::string_view flag) {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

/// The edits of a spec made for this container alone.
class JustMade {
 public:
  JustMade(const oci::Plan& plan, const oci::ContainerRequest& request,
           const oci::ToolkitConfig& rules, const Surroundings& around,
           Report& report)
      : plan_(plan),
        request_(request),
        rules_(rules),
        report_(report),
        host_(around.host),
        cache_path_(around.cache_path),
        source_(cdi::source_for(around.host, rules.cli.root)) {
    if (!rules.cli.root.empty()) options_.driver_root = rules.cli.root;
    if (has_own_dev()) {
      options_.dev_root = options_.driver_root;
    } else {
      source_.devices.dev_root = host_;
    }
    options_.capabilities = oci::capabilities_of(request.capabilities);
    if (auto own = own_path()) options_.hooks.path = *std::move(own);
    options_.hooks.disabled.insert(rules.runtime.jit_disable_hooks.begin(),
                                   rules.runtime.jit_disable_hooks.end());
    if (rules.features.disable_cuda_compat_lib_hook ||
        rules.runtime.legacy_cuda_compat_mode == "disabled") {
      options_.hooks.disabled.insert("enable-cuda-compat");
    }
    options_.with_additional_gids =
        !rules.features.no_additional_gids_for_device_nodes &&
        !has_flag(rules.runtime.jit_feature_flags,
                  "no-additional-gids-for-device-nodes");
  }

  Result<std::vector<ContainerEdits>> make() {
    TRY_VOID(look());
    TRY(ContainerEdits gpus, gpu_edits());
    std::vector<ContainerEdits> all;
    all.push_back(std::move(gpus));
    add_gates(all);
    TRY(ContainerEdits channels, imex_channels());
    all.push_back(std::move(channels));
    TRY(ContainerEdits capabilities, mig_capabilities());
    all.push_back(std::move(capabilities));
    return all;
  }

 private:
  /// A driver root that is a whole root brings its own /dev.
  bool has_own_dev() const {
    const auto status = source_.driver.root.status("/dev");
    return status && status->kind == host::FileKind::kDirectory;
  }

  Result<void> look() {
    const std::vector<std::string>& flags = rules_.runtime.jit_feature_flags;
    source_.driver.with_loader_libraries =
        has_flag(flags, "enable-explicit-driver-libraries");
    source_.driver.with_sockets = !has_flag(flags, "disable-ipc-discoverer");
    if (auto kept = cdi::load_findings(cache_path_, source_)) {
      found_ = *std::move(kept);
      return {};
    }
    const timespec begun = cdi::look_begins();
    auto inventory = procfs::list_gpus(host_, known_mig_devices());
    if (!inventory) {
      return Error(inventory.error().code(),
                   fmt::format("no NVIDIA driver is loaded on this host ({}); "
                               "`gpunode doctor` tells why",
                               inventory.error().message()));
    }
    found_ = cdi::find_all(source_, *std::move(inventory));
    for (const std::string& problem : found_.driver.problems) {
      report_.warn(problem);
    }
    if (const auto kept =
            cdi::store_findings(cache_path_, source_, found_, begun);
        !kept) {
      report_.warn(kept.error().message());  // Slower next time, no worse.
    }
    return {};
  }

  /// Only the driver's library knows them, and it is not asked here.
  std::vector<procfs::MigUuid> known_mig_devices() const {
    const auto last = cdi::last_inventory(cache_path_, source_);
    return last ? procfs::mig_uuids_of(*last) : std::vector<procfs::MigUuid>();
  }

  Result<ContainerEdits> gpu_edits() const {
    const std::vector<std::string> wanted = ids();
    Result<ContainerEdits> edits = cdi::edits_for(found_, wanted, options_);
    if (edits) return edits;
    const bool is_mig = std::any_of(
        wanted.begin(), wanted.end(),
        [](const std::string& id) { return id.starts_with("MIG-"); });
    if (!is_mig) return edits;
    return Error(edits.error().code(),
                 edits.error().message() +
                     " (which MIG devices there are is read by `gpunode cdi "
                     "refresh`: run it after every change of them)");
  }

  std::vector<std::string> ids() const {
    switch (plan_.devices.kind) {
      case oci::DeviceList::Kind::kAll:
        return {"all"};
      case oci::DeviceList::Kind::kNone:
      case oci::DeviceList::Kind::kNothing:
        return {"none"};
      case oci::DeviceList::Kind::kNamed:
        break;
    }
    return plan_.devices.names;
  }

  /// What a gate opens. A host that has nothing behind it is no failure.
  void add_gates(std::vector<ContainerEdits>& all) const {
    for (const oci::Gate gate : request_.gates) {
      cdi::GeneratorOptions options = options_;
      options.mode = mode_of(gate);
      options.has_udev = host_.exists("/run/udev");
      options.has_cufile_config = host_.exists("/etc/cufile.json");
      const auto spec = cdi::generate(found_, options);
      if (!spec) continue;
      for (const cdi::Device& device : spec->devices) {
        all.push_back(device.edits);
      }
      all.push_back(spec->edits);
    }
  }

  static cdi::Mode mode_of(oci::Gate gate) {
    switch (gate) {
      case oci::Gate::kGds:
        return cdi::Mode::kGds;
      case oci::Gate::kMofed:
        return cdi::Mode::kMofed;
      case oci::Gate::kGdrcopy:
        return cdi::Mode::kGdrcopy;
      case oci::Gate::kNvswitch:
        return cdi::Mode::kNvswitch;
    }
    return cdi::Mode::kGds;
  }

  Result<ContainerEdits> imex_channels() const {
    ContainerEdits edits;
    if (request_.imex_channels.empty()) return edits;
    cdi::DeviceSearch search = source_.devices;
    search.with_imex_channels = true;
    const cdi::DeviceFiles files =
        cdi::find_device_files(search, found_.inventory);
    for (const std::string& id : request_.imex_channels) {
      const std::string path =
          fmt::format("/dev/nvidia-caps-imex-channels/channel{}", id);
      const cdi::NodeFile* node = files.find(path);
      if (node == nullptr) {
        return Error(
            ErrorCode::kNotFound,
            fmt::format("failed to generate CDI spec for mode \"imex\": IMEX "
                        "channel {} not found at {}",
                        id, source_.devices.dev_root.outside(path)));
      }
      cdi::add_node(edits, *node, options_);
    }
    return edits;
  }

  /// The nodes by which MIG is configured and watched.
  Result<ContainerEdits> mig_capabilities() const {
    ContainerEdits edits;
    if (!request_.wants_mig_config && !request_.wants_mig_monitor) return edits;
    TRY(const auto minors, procfs::MigMinors::load(host_));
    std::vector<std::string> paths;
    if (auto path = minors.config_path(); path && request_.wants_mig_config) {
      paths.push_back(*std::move(path));
    }
    if (auto path = minors.monitor_path(); path && request_.wants_mig_monitor) {
      paths.push_back(*std::move(path));
    }
    for (const std::string& path : paths) {
      const cdi::NodeFile* node = found_.devices.find(path);
      if (node == nullptr) {
        report_.warn(
            fmt::format("{}: no such device node, MIG cannot be "
                        "managed from the container",
                        source_.devices.dev_root.outside(path)));
      } else {
        cdi::add_node(edits, *node, options_);
      }
    }
    return edits;
  }

  const oci::Plan& plan_;
  const oci::ContainerRequest& request_;
  const oci::ToolkitConfig& rules_;
  Report& report_;
  host::HostRoot host_;
  std::string cache_path_;
  cdi::FindingsSource source_;
  cdi::GeneratorOptions options_;
  cdi::Findings found_;
};

}  // namespace

Result<std::vector<ContainerEdits>> find_device_edits(
    const oci::Plan& plan, const oci::ContainerRequest& request,
    const oci::ToolkitConfig& rules, const Surroundings& around,
    Report& report) {
  switch (plan.source) {
    case oci::Source::kNothing:
      break;
    case oci::Source::kSpecs:
      return resolve_specs(plan, request, rules, around.host);
    case oci::Source::kJustMade: {
      auto edits = JustMade(plan, request, rules, around, report).make();
      if (edits) return edits;
      return std::move(edits).error().with_context(
          "failed to generate CDI spec for mode \"auto\"");
    }
  }
  return std::vector<ContainerEdits>();
}

}  // namespace gpunode::runtime
