#include "container/oci/mode.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/host/path.h"
#include "base/text/node.h"
#include "container/cdi/names.h"

namespace gpunode::oci {
namespace {

bool are_all_qualified(const DeviceList& list) {
  return list.kind == DeviceList::Kind::kNamed &&
         std::all_of(list.names.begin(), list.names.end(),
                     [](const std::string& name) {
                       return cdi::is_qualified_name(name);
                     });
}

std::vector<std::string> qualified(const DeviceList& list,
                                   const std::string& kind) {
  if (list.kind == DeviceList::Kind::kAll) return {kind + "=all"};
  if (list.kind == DeviceList::Kind::kNone) return {kind + "=none"};
  std::vector<std::string> names;
  for (const std::string& name : list.names) {
    names.push_back(
        cdi::is_qualified_name(name) ? name : fmt::format("{}={}", kind, name));
  }
  return names;
}

Plan plan_just_made(const DeviceList& devices) {
  Plan plan;
  if (devices.is_request()) plan.source = Source::kJustMade;
  plan.devices = devices;
  return plan;
}

/// Names of kJustMadeKind are made on the spot and stand alone.
Result<Plan> plan_names(const DeviceList& list, const std::string& kind) {
  if (!list.is_request()) return Plan();
  const std::vector<std::string> names = qualified(list, kind);
  const std::string prefix = std::string(kJustMadeKind) + "=";
  std::vector<std::string> own;
  for (const std::string& name : names) {
    if (name.starts_with(prefix)) own.push_back(name.substr(prefix.size()));
  }
  if (own.empty()) {
    Plan plan;
    plan.source = Source::kSpecs;
    plan.names = names;
    return plan;
  }
  if (own.size() != names.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "requesting a CDI device with vendor 'runtime.nvidia.com' is "
                 "not supported when requesting other CDI devices");
  }
  return plan_just_made(read_device_list(own));
}

/// jit-cdi: names without a kind are of the runtime's own.
Result<Plan> plan_own(const DeviceList& list) {
  return plan_names(list, std::string(kJustMadeKind));
}

}  // namespace

Result<Plan> make_plan(Mode mode, const ContainerRequest& request,
                       const ToolkitConfig& rules) {
  const DeviceList& wanted =
      request.annotated.is_request() ? request.annotated : request.devices;
  switch (mode) {
    case Mode::kCdi:
      return plan_names(wanted, rules.runtime.cdi_default_kind);
    case Mode::kAuto:
      if (are_all_qualified(wanted)) {
        return plan_names(wanted, rules.runtime.cdi_default_kind);
      }
      break;
    case Mode::kJitCdi:
    case Mode::kLegacy:
      break;
    case Mode::kCsv:
      return Error(ErrorCode::kUnsupported,
                   "mode \"csv\" is for Tegra systems, which gpunode does not "
                   "serve: set mode = \"auto\" in [nvidia-container-runtime]");
  }
  return plan_own(request.devices);
}

Result<Mode> mode_of_program(std::string_view program_path,
                             const ToolkitConfig& rules) {
  const std::string_view name = host::base_name(program_path);
  if (name == "nvidia-container-runtime.cdi") return Mode::kCdi;
  if (name == "nvidia-container-runtime.legacy") return Mode::kLegacy;
  static constexpr std::array<std::pair<std::string_view, Mode>, 5> kModes = {
      {{"auto", Mode::kAuto},
       {"cdi", Mode::kCdi},
       {"jit-cdi", Mode::kJitCdi},
       {"legacy", Mode::kLegacy},
       {"csv", Mode::kCsv}}};
  for (const auto& [word, mode] : kModes) {
    if (rules.runtime.mode == word) return mode;
  }
  return Error(
      ErrorCode::kInvalidArgument,
      "invalid mode " + text::json_string(rules.runtime.mode.substr(0, 100)));
}

}  // namespace gpunode::oci
