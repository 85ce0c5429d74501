#include "agent/plugin/cdi_specs.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "container/cdi/generator.h"
#include "container/cdi/spec_writer.h"

namespace gpunode::plugin {
namespace {

using cdi::Mode;

constexpr const char* kSpecDirectory = "/var/run/cdi";
constexpr mode_t kSpecMode = 0644;
/// Every class that NVIDIA's plugin writes, GPUs first.
constexpr std::array<Mode, 5> kModes = {
    Mode::kGpus, Mode::kImex, Mode::kGdrcopy, Mode::kGds, Mode::kMofed};
/// Those whose one device goes along with every GPU, in an answer's order.
constexpr std::array<Mode, 3> kFurther = {Mode::kGdrcopy, Mode::kGds,
                                          Mode::kMofed};

bool is_wanted(Mode mode, const config::Settings& settings,
               const HostDevices& host_devices) {
  switch (mode) {
    case Mode::kGpus:
      return true;
    case Mode::kImex:
      return !host_devices.imex_channels.empty();
    case Mode::kGdrcopy:
      return settings.gdrcopy_enabled;
    case Mode::kGds:
      return settings.gds_enabled;
    case Mode::kMofed:
      return settings.mofed_enabled;
    case Mode::kManagement:
    case Mode::kNvswitch:
      return false;
  }
  return false;
}

bool has_feature(const config::Settings& settings, std::string_view name) {
  return std::find(settings.cdi_feature_flags.begin(),
                   settings.cdi_feature_flags.end(),
                   name) != settings.cdi_feature_flags.end();
}

cdi::GeneratorOptions options_for(Mode mode, const config::Settings& settings) {
  cdi::GeneratorOptions options;
  options.mode = mode;
  options.vendor = kCdiVendor;
  options.naming = {settings.device_id_strategy ==
                            config::DeviceIdStrategy::kIndex
                        ? cdi::DeviceNaming::kIndex
                        : cdi::DeviceNaming::kUuid};
  options.driver_root = settings.driver_root;
  options.dev_root = settings.dev_root;
  options.with_all_device = mode != Mode::kGpus;
  options.with_additional_gids =
      !has_feature(settings, "no-additional-gids-for-device-nodes");
  options.hooks.path = settings.nvidia_cdi_hook_path;
  options.hooks.disabled.insert(settings.cdi_disable_hooks.begin(),
                                settings.cdi_disable_hooks.end());
  return options;
}

std::string file_name(std::string_view klass) {
  return fmt::format("{}-{}.json", kCdiVendor, klass);
}

std::string kind_of(Mode mode) {
  return fmt::format("{}/{}", kCdiVendor, cdi::default_class(mode));
}

bool is_directory(const host::HostRoot& root) {
  const Result<host::FileStatus> status = root.status("/");
  return status && status->kind == host::FileKind::kDirectory;
}

/// Engines watch the directory: nothing is written that is there already.
Result<void> replace_if_other(const host::HostRoot& host,
                              const std::string& path, std::string_view text) {
  const Result<std::string> present = host.read_file(path);
  if (present && *present == text) return {};
  // The directory is a setting, and need not be on /run.
  return host::replace_host_file(
      host, path, text,
      {.mode = kSpecMode, .durability = host::Durability::kDurable});
}

cdi::FindingsSource source_of(const config::Settings& settings,
                              const host::HostRoot& host) {
  const host::HostRoot mounted(settings.driver_root_ctr_path);
  cdi::FindingsSource source = cdi::source_for(host, "/");
  if (is_directory(mounted)) {
    source.driver.root = mounted;
    source.devices.dev_root = mounted;
  }
  source.driver.with_sockets = !has_feature(settings, "disable-ipc-discoverer");
  source.driver.with_loader_libraries =
      has_feature(settings, "enable-explicit-driver-libraries");
  source.devices.with_imex_channels = !settings.imex_channel_ids.empty();
  return source;
}

}  // namespace

bool uses_cdi(const config::Settings& settings) {
  return settings.includes(config::DeviceListStrategy::kCdiAnnotations) ||
         settings.includes(config::DeviceListStrategy::kCdiCri);
}

const cdi::Findings& DriverLook::find(const config::Settings& settings,
                                      const host::HostRoot& host,
                                      const device::Inventory& inventory) {
  const cdi::FindingsSource source = source_of(settings, host);
  if (!last_ || last_->findings.inventory != inventory ||
      !cdi::still_hold(*last_, source)) {
    ++looks_;
    const timespec begun = cdi::look_begins();
    last_ = cdi::watch(source, cdi::find_all(source, inventory), begun);
  }
  return last_->findings;
}

Result<std::vector<cdi::Spec>> make_cdi_specs(const config::Settings& settings,
                                              const HostDevices& host_devices,
                                              const cdi::Findings& found) {
  if (found.driver.libcuda_directories.empty()) {
    return Error(
        ErrorCode::kNotFound,
        fmt::format("no libcuda.so.{} found for the CDI specs: mount the "
                    "driver's root at {} or name it by --driver-root-ctr-path",
                    found.inventory.driver_version,
                    settings.driver_root_ctr_path));
  }
  std::vector<cdi::Spec> specs;
  for (const Mode mode : kModes) {
    if (!is_wanted(mode, settings, host_devices)) continue;
    Result<cdi::Spec> spec = cdi::generate(found, options_for(mode, settings));
    if (spec) {
      specs.push_back(*std::move(spec));
    } else if (mode == Mode::kGpus ||
               spec.error().code() != ErrorCode::kNotFound) {
      return std::move(spec).error();
    }
  }
  return specs;
}

std::vector<std::string> further_cdi_devices(std::span<const cdi::Spec> specs) {
  std::vector<std::string> names;
  for (const Mode mode : kFurther) {
    const bool is_there = std::any_of(
        specs.begin(), specs.end(),
        [mode](const auto& spec) { return spec.kind == kind_of(mode); });
    if (is_there)
      names.push_back(fmt::format("{}=all", cdi::default_class(mode)));
  }
  return names;
}

Result<void> write_cdi_specs(const host::HostRoot& host,
                             std::span<const cdi::Spec> specs) {
  for (const Mode mode : kModes) {
    const std::string path = fmt::format("{}/{}", kSpecDirectory,
                                         file_name(cdi::default_class(mode)));
    const auto spec = std::find_if(
        specs.begin(), specs.end(),
        [mode](const auto& one) { return one.kind == kind_of(mode); });
    if (spec != specs.end()) {
      TRY_VOID(replace_if_other(host, path, cdi::write_json(*spec)));
    } else {
      TRY_VOID(host::remove_host_file(host, path));
    }
  }
  return {};
}

}  // namespace gpunode::plugin
