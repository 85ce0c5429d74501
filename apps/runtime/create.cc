#include "apps/runtime/create.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/runtime/bundle_file.h"
#include "apps/runtime/device_edits.h"
#include "apps/runtime/requirement_check.h"
#include "apps/runtime/share_delivery.h"
#include "container/oci/config_edit.h"
#include "container/oci/grant_rule.h"
#include "container/oci/host_device.h"
#include "container/oci/kubelet_record.h"
#include "container/oci/mode.h"
#include "container/oci/pod_identity.h"
#include "container/oci/require_allocation.h"
#include "container/oci/ungranted_log.h"

namespace gpunode::runtime {
namespace {

// NVIDIA's two, by what failed: reading what is asked, or doing it.
constexpr std::string_view kNotMade =
    "failed to create NVIDIA Container Runtime: failed to construct OCI spec "
    "modifier";
constexpr std::string_view kNotLoaded = "failed to load OCI spec";
constexpr std::string_view kNotModified =
    "could not apply required modification to OCI specification: error "
    "modifying OCI spec";

/// What the kubelet's record grants. Outside Kubernetes that is nothing.
Result<oci::Grant> load_grant(const oci::PodIdentity& who,
                              const oci::ToolkitConfig& rules,
                              const host::HostRoot& host) {
  if (!who.is_known()) return oci::Grant();
  const std::string path =
      fmt::format("{}/{}", rules.gpunode.kubelet_root, oci::kKubeletRecord);
  constexpr std::size_t kLargest = std::size_t{64} << 20U;
  const auto text = host.read_file(path, kLargest);
  if (!text) {
    // No record: no device plugin has ever granted anything here.
    if (text.error().code() == ErrorCode::kNotFound) return oci::Grant();
    return text.error();
  }
  return oci::find_grant(*text, path, who.pod_uid, who.container_name);
}

bool is_exempt(const oci::PodIdentity& who, const oci::ToolkitConfig& rules) {
  const auto& exempt = rules.gpunode.exempt_namespaces;
  return who.is_known() && std::find(exempt.begin(), exempt.end(),
                                     who.pod_namespace) != exempt.end();
}

std::string describe(const oci::PodIdentity& who) {
  if (!who.is_known()) return "a container that is no Pod's";
  return fmt::format("container {} of Pod {}/{}", who.container_name,
                     who.pod_namespace, who.pod_name);
}

/// Notes that somebody asked for more than was granted.
void note_ungranted(const oci::Ungranted& event, const CreateCall& call,
                    Report& report) {
  report.warn(fmt::format("{} asks for {}; {} (require-allocation is on)",
                          describe(event.who), oci::shown(event.asked),
                          event.why));
  const auto noted = oci::append_ungranted(
      call.state_directory,
      oci::ungranted_line(event, std::chrono::system_clock::now()));
  if (!noted) report.warn(noted.error().message());
}

/// The request under require-allocation.
Result<oci::ContainerRequest> read_granted(const oci::ContainerConfig& config,
                                           oci::ContainerRequest asked,
                                           const CreateCall& call,
                                           const oci::ToolkitConfig& rules,
                                           Report& report) {
  const oci::PodIdentity who = oci::read_pod_identity(config);
  if (is_exempt(who, rules)) return asked;
  TRY(const oci::Grant grant, load_grant(who, rules, call.host));
  TRY(oci::ContainerRequest granted,
      oci::read_request(oci::restrict_to_grant(config, grant, rules), rules));
  if (const auto excess = oci::excess_of(asked, granted, grant)) {
    note_ungranted(
        {who, asked.devices.is_request() ? asked.devices : asked.annotated,
         *excess},
        call, report);
  }
  return granted;
}

Result<oci::ContainerRequest> read_request(const oci::ContainerConfig& config,
                                           const CreateCall& call,
                                           const oci::ToolkitConfig& rules,
                                           Report& report) {
  TRY(oci::ContainerRequest asked, oci::read_request(config, rules));
  const bool is_request = asked.devices.is_request() ||
                          asked.annotated.is_request() ||
                          !asked.imex_channels.empty();
  if (!is_request || !oci::is_allocation_required(rules.gpunode, call.host)) {
    return asked;
  }
  return read_granted(config, std::move(asked), call, rules, report);
}

/// Capabilities that nobody supports: fatal where NVIDIA's legacy mode is
/// asked for, passed over where theirs would not look.
Result<void> check_capabilities(const oci::ContainerRequest& request,
                                oci::Mode mode, const oci::ToolkitConfig& rules,
                                Report& report) {
  if (request.unsupported_capabilities.empty()) return {};
  std::string words =
      fmt::format("unsupported capabilities found in '{}' (allowed '{}')",
                  fmt::join(request.unsupported_capabilities, ","),
                  rules.supported_capabilities);
  if (mode == oci::Mode::kLegacy) {
    return Error(ErrorCode::kInvalidArgument, std::move(words));
  }
  report.warn(std::move(words));
  return {};
}

/// What the container gets for `plan`, device nodes complete.
Result<std::vector<cdi::ContainerEdits>> plan_edits(
    const oci::Plan& plan, const oci::ContainerRequest& request,
    const CreateCall& call, const oci::ToolkitConfig& rules, Report& report) {
  if (plan.source == oci::Source::kNothing) {
    return std::vector<cdi::ContainerEdits>();
  }
  TRY(auto edits, find_device_edits(plan, request, rules,
                                    {call.host, call.cache_path}, report));
  TRY_VOID(check_requirements(request.requirements, edits, call.host, report));
  for (cdi::ContainerEdits& edit : edits) {
    for (cdi::DeviceNode& node : edit.device_nodes) {
      if (auto done = oci::complete_device(node, call.host); !done) {
        return std::move(done).error().with_context(
            "failed to inject CDI devices: failed to inject devices");
      }
    }
  }
  return edits;
}

/// What a call works on. The file is without its text, which config has.
struct Bundle {
  BundleFile file;
  oci::ContainerConfig config;
  oci::Mode mode;
};

Result<oci::ContainerConfig> load_config(BundleFile& file) {
  return oci::read_container_config(std::exchange(file.text, {}), file.path);
}

Result<Bundle> read_bundle(const CreateCall& call,
                           const oci::ToolkitConfig& rules) {
  auto file = read_bundle_file(call.bundle);
  if (!file) return std::move(file).error().with_context(kNotLoaded);
  auto config = load_config(*file);
  if (!config) return std::move(config).error().with_context(kNotLoaded);
  TRY(const oci::Mode mode, oci::mode_of_program(call.program, rules));
  return Bundle{*std::move(file), *std::move(config), mode};
}

Result<void> edit_bundle(const Bundle& bundle, const CreateCall& call,
                         const oci::ToolkitConfig& rules, Report& report) {
  const oci::ContainerConfig& config = bundle.config;
  for (const std::string& warning : config.warnings) report.warn(warning);
  TRY(const oci::ContainerRequest request,
      read_request(config, call, rules, report));
  for (const std::string& warning : request.warnings) report.warn(warning);
  TRY(const oci::Plan plan, oci::make_plan(bundle.mode, request, rules));
  if (plan.source != oci::Source::kNothing) {
    TRY_VOID(check_capabilities(request, bundle.mode, rules, report));
  }
  TRY(auto edits, plan_edits(plan, request, call, rules, report));
  TRY(ShareDelivery share,
      deliver_share(config, call.bundle,
                    call.state_directory + "/allocations"));
  for (const std::string& warning : share.warnings) report.warn(warning);
  if (!share.edits.is_empty()) edits.push_back(std::move(share.edits));
  const auto edited = oci::edit_config(config, edits, oci::LegacyHook::kRemove);
  if (!edited) return {};
  return replace_bundle_file(bundle.file, *edited);
}

}  // namespace

Result<void> prepare_bundle(const CreateCall& call,
                            const oci::ToolkitConfig& rules, Report& report) {
  auto bundle = read_bundle(call, rules);
  if (!bundle) return std::move(bundle).error().with_context(kNotMade);
  auto done = edit_bundle(*bundle, call, rules, report);
  if (!done) return std::move(done).error().with_context(kNotModified);
  return {};
}

}  // namespace gpunode::runtime
