#include "agent/plugin/runtime_setting.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/core/log.h"
#include "base/host/host_root.h"
#include "base/host/path.h"
#include "container/oci/require_allocation.h"

namespace gpunode::plugin {

std::string delivery_warning(const config::Settings& settings) {
  using config::DeviceListStrategy;
  // Of other strategies some runtime or other looks at the container.
  if (!settings.limits_holders() ||
      settings.includes(DeviceListStrategy::kEnvvar) ||
      settings.includes(DeviceListStrategy::kVolumeMounts)) {
    return {};
  }
  const std::string_view program =
      host::base_name(settings.nvidia_cdi_hook_path);
  const auto& disabled = settings.cdi_disable_hooks;
  const bool has_hooks =
      std::find(disabled.begin(), disabled.end(), "all") == disabled.end();
  if (has_hooks && program != "nvidia-ctk" && program != "nvidia-cdi-hook") {
    return {};
  }
  return fmt::format(
      "the hook of CDI specs is {}, which knows nothing of shares: unless "
      "gpunode-runtime is the containers' runtime, what an image names in "
      "/etc/ld.so.preload is not loaded, and programs that cannot be limited "
      "run whatever onUnsupported says; name the host's gpunode-runtime by "
      "--nvidia-cdi-hook-path (docs/sharing.md)",
      has_hooks ? settings.nvidia_cdi_hook_path : "disabled");
}

Result<void> tell_runtime(const config::Settings& settings) {
  const bool required = settings.require_allocation;
  auto told =
      oci::set_require_allocation(host::HostRoot(settings.host_root), required);
  if (!told) {
    Error error = std::move(told).error().with_context(
        "tell gpunode-runtime whether allocations are required");
    if (required) return error;
    // One protection too many harms nobody but containers that are named.
    log::warning("agent", "{}", error.message());
  }
  if (required) {
    log::info("agent",
              "require-allocation is on: gpunode-runtime gives containers what "
              "was granted to them and nothing else");
  }
  if (const std::string warning = delivery_warning(settings);
      !warning.empty()) {
    log::warning("shares", "{}", warning);
  }
  return {};
}

}  // namespace gpunode::plugin
