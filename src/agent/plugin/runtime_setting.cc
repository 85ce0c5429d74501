#include "agent/plugin/runtime_setting.h"

#include <utility>

#include "base/core/log.h"
#include "base/host/host_root.h"
#include "container/oci/require_allocation.h"

namespace gpunode::plugin {

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
  return {};
}

}  // namespace gpunode::plugin
