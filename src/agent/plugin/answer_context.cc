#include "agent/plugin/answer_context.h"

#include <utility>
#include <vector>

#include "base/host/host_root.h"

namespace gpunode::plugin {
namespace {

/// The classes of the specs are what answers of `context` may name.
Result<void> renew_cdi_specs(const device::Inventory& inventory,
                             DriverLook& look, AnswerContext& context) {
  const host::HostRoot host(context.settings.host_root);
  TRY(const std::vector<cdi::Spec> specs,
      make_cdi_specs(context.settings, context.host_devices,
                     look.find(context.settings, host, inventory)));
  TRY_VOID(write_cdi_specs(host, specs));
  context.host_devices.further_cdi_devices = further_cdi_devices(specs);
  return {};
}

void prepare_shares(AnswerContext& context) {
  auto installed =
      share::install_library(context.settings.share_library,
                             host::HostRoot(context.settings.host_root));
  if (installed) {
    context.share_files = *std::move(installed);
  } else {
    context.share_problem =
        "unable to put the library of shares where containers have it from: " +
        installed.error().message();
  }
}

}  // namespace

share::GrantFiles grant_files(const config::Settings& settings) {
  return share::GrantFiles(
      host::HostRoot(settings.host_root).outside(share::GrantFiles::kRoot));
}

Result<AnswerContext> gather_context(const config::Settings& settings,
                                     Platform platform,
                                     const device::Inventory* inventory,
                                     DriverLook& look) {
  AnswerContext context;
  context.settings = settings;
  if (platform != Platform::kNvml) context.control_nodes = ControlNodes::kOmit;
  TRY(context.host_devices,
      find_host_devices(settings, host::HostRoot(settings.dev_root)));
  if (settings.limits_holders()) prepare_shares(context);
  if (!uses_cdi(settings)) return context;
  if (platform != Platform::kNvml) {
    context.cdi_problem =
        "CDI specs of WSL and Tegra machines are not written: use the envvar "
        "or volume-mounts strategy";
  } else if (inventory != nullptr && !inventory->gpus.empty()) {
    if (Result<void> written = renew_cdi_specs(*inventory, look, context);
        !written) {
      context.cdi_problem =
          "unable to create cdi spec file: " + written.error().message();
    }
  }
  return context;
}

}  // namespace gpunode::plugin
