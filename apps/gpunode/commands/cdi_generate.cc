#include "apps/gpunode/commands/cdi_generate.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "apps/gpunode/commands/gpu_names.h"
#include "apps/gpunode/commands/own_programs.h"
#include "base/host/file.h"
#include "container/cdi/names.h"
#include "container/cdi/spec_writer.h"
#include "gpu/procfs/gpu_list.h"

namespace gpunode::cli {
namespace {

using cdi::in_quotes;

Error invalid(const std::string& message) {
  return {ErrorCode::kInvalidArgument, message};
}

Result<cdi::DeviceNaming> parse_naming(const std::string& name) {
  if (name == "index") return cdi::DeviceNaming::kIndex;
  if (name == "uuid") return cdi::DeviceNaming::kUuid;
  if (name == "type-index") return cdi::DeviceNaming::kTypeIndex;
  return invalid(fmt::format("invalid device name strategy: {}", name));
}

Result<cdi::DriverCapabilities> parse_capabilities(std::string_view text) {
  if (text.empty()) return cdi::DriverCapabilities::all_64bit();
  cdi::DriverCapabilities capabilities;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word == "all") return cdi::DriverCapabilities::all();
    const auto capability = cdi::parse_driver_capability(word);
    if (!capability) {
      return invalid(
          fmt::format("invalid driver capability: {}; they are {}, or all",
                      word, cdi::DriverCapabilities::all().text()));
    }
    capabilities.insert(*capability);
  }
  return capabilities;
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> directories;
  while (!path.empty()) {
    const std::string_view word = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(word.size() + 1, path.size()));
    if (word.starts_with('/')) directories.emplace_back(word);
  }
  return directories;
}

void apply_feature_flag(const std::string& flag, GeneratePlan& plan) {
  // Those that choose among the peer's ways of asking NVML.
  constexpr std::array<std::string_view, 3> kWithoutMeaning = {
      "disable-nvsandboxutils", "disable-nvsandbox-utils",
      "disable-multiple-csv-devices"};
  if (flag == "enable-coherent-annotations") {
    plan.warnings.emplace_back(
        "feature flag enable-coherent-annotations is not served: no annotation "
        "tells coherent GPUs (Grace) from others, and no further files are "
        "written; NVIDIA's nvidia-ctk does that");
  } else if (flag == "enable-explicit-driver-libraries") {
    plan.source.driver.with_loader_libraries = true;
  } else if (flag == "no-additional-gids-for-device-nodes") {
    plan.options.with_additional_gids = false;
  } else if (flag == "disable-ipc-discoverer") {
    plan.source.driver.with_sockets = false;
  } else if (std::ranges::find(kWithoutMeaning, flag) ==
             kWithoutMeaning.end()) {
    plan.warnings.push_back(
        fmt::format("feature flag {} is not known; ignored", in_quotes(flag)));
  }
}

Result<void> plan_hooks(const GenerateRequest& request,
                        cdi::HookOptions& hooks) {
  hooks.path = request.hook_path;
  hooks.ldconfig_path = request.ldconfig_path;
  for (const std::string& name : request.disabled_hooks) {
    if (name != "all" && !cdi::is_hook_name(name)) {
      return invalid(fmt::format("unknown hook to disable: {}", name));
    }
    hooks.disabled.insert(name);
  }
  for (const std::string& name : request.enabled_hooks) {
    if (name == "all") return invalid("enabling all hooks is not supported");
    if (!cdi::is_hook_name(name)) {
      return invalid(fmt::format("unknown hook to enable: {}", name));
    }
    hooks.enabled.insert(name);
  }
  return {};
}

void plan_source(const GenerateRequest& request, GeneratePlan& plan) {
  const host::HostRoot host(request.root);
  plan.source = cdi::source_for(host, request.driver_root);
  if (!request.dev_root.empty()) {
    plan.source.devices.dev_root =
        cdi::source_for(host, request.dev_root).devices.dev_root;
  }
  cdi::DriverSearch& driver = plan.source.driver;
  driver.library_directories = request.library_search_paths;
  driver.config_directories = request.config_search_paths;
  driver.binary_directories = split_path(request.path);
  driver.additional_libraries = request.libraries;
  // X and GL have no business in a container that only manages.
  driver.with_graphics = plan.options.mode != cdi::Mode::kManagement;
  plan.source.devices.additional_devices = request.device_nodes;
  plan.source.devices.with_imex_channels =
      plan.options.mode == cdi::Mode::kManagement ||
      plan.options.mode == cdi::Mode::kImex;
}

bool needs_driver(cdi::Mode mode) {
  return mode == cdi::Mode::kGpus || mode == cdi::Mode::kManagement;
}

bool ends_in_one_of(std::string_view path,
                    std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings, [path](std::string_view ending) {
    return path.ends_with(ending);
  });
}

}  // namespace

Result<GeneratePlan> plan_generate(const GenerateRequest& request) {
  GeneratePlan plan;
  cdi::GeneratorOptions& options = plan.options;
  TRY(options.mode, cdi::parse_mode(request.mode));
  options.vendor = request.vendor;
  options.klass = request.klass;
  if (!request.naming.empty()) options.naming.clear();
  for (const std::string& name : request.naming) {
    TRY(const cdi::DeviceNaming naming, parse_naming(name));
    options.naming.push_back(naming);
  }
  options.driver_root = request.driver_root;
  options.dev_root =
      request.dev_root.empty() ? request.driver_root : request.dev_root;
  TRY(options.capabilities, parse_capabilities(request.capabilities));
  TRY_VOID(plan_hooks(request, options.hooks));
  options.with_all_device = !request.no_all_device;
  options.device_ids = request.device_ids;
  if (options.device_ids == std::vector<std::string>{"all"}) {
    options.device_ids.clear();
  }
  plan_source(request, plan);
  for (const std::string& flag : request.feature_flags) {
    apply_feature_flag(flag, plan);
  }
  const host::HostRoot& root = plan.source.driver.root;
  options.has_udev = root.exists("/run/udev");
  options.has_cufile_config = root.exists("/etc/cufile.json");
  return plan;
}

Result<cdi::Findings> discover(const GeneratePlan& plan,
                               host::CommandRunner& runner) {
  const host::HostRoot& host = plan.source.driver.host;
  auto inventory = procfs::list_gpus(host);
  if (inventory) {
    cdi::Findings found = find_all(plan.source, *std::move(inventory));
    // The library asks the kernel that runs, whatever tree it comes from.
    const bool is_this_host = host.prefix() == "/";
    if (!is_this_host || !has_unnamed(found.inventory)) return found;
    const auto named = name_gpus(found, host, plan.source.driver.root,
                                 own_program(kProbe), runner);
    if (!named) warn("UUIDs are missing: " + named.error().message());
    return found;
  }
  if (!needs_driver(plan.options.mode)) return find_all(plan.source, {});
  if (inventory.error().code() != ErrorCode::kNotFound) {
    return std::move(inventory).error();
  }
  return Error(ErrorCode::kNotFound,
               fmt::format("no NVIDIA kernel module is loaded ({}); install "
                           "the driver, or run modprobe nvidia",
                           inventory.error().message()));
}

Result<OutputForm> output_form(const std::string& output,
                               const std::string& format) {
  if (!format.empty() && format != "yaml" && format != "json") {
    return invalid(fmt::format("invalid output format: {}", format));
  }
  OutputForm form;
  form.is_json = format == "json";
  if (output.empty() || output == "-") return form;
  form.path = output;
  const bool ends_in_json = ends_in_one_of(output, {".json"});
  const bool ends_in_yaml = ends_in_one_of(output, {".yaml", ".yml"});
  if (!ends_in_json && !ends_in_yaml) {
    form.path += form.is_json ? ".json" : ".yaml";
    return form;
  }
  if (!format.empty() && ends_in_json != form.is_json) {
    form.warning = fmt::format(
        "the format {} does not go with {}; written as its name says", format,
        output);
  }
  form.is_json = ends_in_json;
  return form;
}

std::string spec_text(const cdi::Spec& spec, bool is_json) {
  return is_json ? cdi::write_json(spec) : cdi::write_yaml(spec);
}

Result<void> write_spec(const cdi::Spec& spec, const OutputForm& form) {
  const std::string text = spec_text(spec, form.is_json);
  if (form.path.empty()) return print(text);
  const std::filesystem::path directory =
      std::filesystem::path(form.path).parent_path();
  if (!directory.empty()) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
      return Error::from_errno("make directory " + directory.string(),
                               error.value());
    }
  }
  // /run is empty after a power cut anyway.
  const bool is_volatile =
      form.path.starts_with("/run/") || form.path.starts_with("/var/run/");
  constexpr mode_t kForAll = 0644;
  return host::write_file_atomic(
      form.path, text, kForAll,
      is_volatile ? host::Durability::kVolatile : host::Durability::kDurable);
}

std::vector<std::string> problems_of(const cdi::Findings& found) {
  std::vector<std::string> problems = found.driver.problems;
  problems.insert(problems.end(), found.devices.problems.begin(),
                  found.devices.problems.end());
  for (const device::LostGpu& lost : found.inventory.lost) {
    problems.push_back(
        fmt::format("GPU {} is left out: {}", lost.index.value, lost.reason));
  }
  for (const device::Gpu& gpu : found.inventory.gpus) {
    const std::string node = fmt::format("/dev/nvidia{}", gpu.minor.value);
    if (found.devices.find(node) == nullptr && !gpu.pci_bus_id.empty()) {
      problems.push_back(fmt::format("GPU {} is left out: there is no {}",
                                     gpu.index.value, node));
    }
    const bool has_unnamed = std::ranges::any_of(
        gpu.mig_devices, [](const auto& mig) { return mig.id.value.empty(); });
    if (has_unnamed) {
      problems.push_back(fmt::format(
          "MIG devices of GPU {} are named by index only: nobody told their "
          "UUIDs",
          gpu.index.value));
    }
  }
  return problems;
}

Result<void> run_generate(const GenerateRequest& request,
                          host::CommandRunner& runner) {
  TRY(const OutputForm form, output_form(request.output, request.format));
  if (!form.warning.empty()) warn(form.warning);
  TRY(const GeneratePlan plan, plan_generate(request));
  for (const std::string& warning : plan.warnings) warn(warning);
  TRY(const cdi::Findings found, discover(plan, runner));
  TRY(const cdi::Spec spec, cdi::generate(found, plan.options));
  for (const std::string& problem : problems_of(found)) warn(problem);
  TRY_VOID(write_spec(spec, form));
  inform(fmt::format("generated CDI spec with version {}", spec.version));
  return {};
}

void warn(const std::string& text) {
  fmt::print(stderr, "gpunode: warning: {}\n", harmless(text));
}

void inform(const std::string& text) {
  fmt::print(stderr, "gpunode: {}\n", harmless(text));
}

}  // namespace gpunode::cli
