#include "node/driver/companion_check.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "gpu/device/module_rule.h"

namespace gpunode::driver {
namespace {

/// Switches of NVLink 5 and of Grace's racks are not on the PCI bus: that none
/// is seen proves nothing.
bool may_have_hidden_switches(const facts::HostFacts& host) {
  return std::ranges::any_of(host.gpus, [](const facts::PciGpu& gpu) {
    return !gpu.is_switch && is_hosts_own(gpu) &&
           device::module_rule_of(gpu.device_id) ==
               device::ModuleRule::kOpenOnly;
  });
}

Result<std::string> judge_fabric_manager(const facts::HostFacts& host,
                                         const Wish& wish) {
  const bool is_asked_for = wish.fabric_manager.value_or(false);
  if (has_nvswitch(host)) {
    if (wish.fabric_manager && !is_asked_for) {
      return std::string(
          "NVSwitches connect the GPUs, and `fabricManager: false` keeps the "
          "fabric manager away: CUDA fails with error 802 until somebody else "
          "runs it, in exactly the driver's version");
    }
    return std::string(
        "NVSwitches connect the GPUs: the fabric manager of exactly the same "
        "version comes with it");
  }
  if (!is_asked_for) return std::string();
  if (may_have_hidden_switches(host)) {
    return std::string(
        "`fabricManager: true`, and no NVSwitch is seen: without one it ends "
        "with NV_WARN_NOTHING_TO_DO, and `auto` leaves it out");
  }
  return Error(ErrorCode::kUnsupported,
               "`fabricManager: true`, and there is no NVSwitch on the PCI "
               "bus: it would end with NV_WARN_NOTHING_TO_DO; say "
               "`fabricManager: auto`");
}

}  // namespace

Result<std::vector<std::string>> check_companions(const facts::HostFacts& host,
                                                  const Wish& wish,
                                                  int branch) {
  std::vector<std::string> reasons;
  TRY(std::string fabric, judge_fabric_manager(host, wish));
  if (!fabric.empty()) reasons.push_back(std::move(fabric));
  if (wish.imex && branch < distribution::kFirstImexBranch) {
    return Error(
        ErrorCode::kUnsupported,
        fmt::format("branch {} has no IMEX, which begins with {}: say `imex: "
                    "false`, or a later branch",
                    branch, distribution::kFirstImexBranch));
  }
  return reasons;
}

}  // namespace gpunode::driver
