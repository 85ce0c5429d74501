#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "node/diagnose/pains.h"
#include "node/diagnose/verify_gpus.h"
#include "node/diagnose/verify_levels.h"
#include "node/driver/driver_choice.h"

namespace gpunode::diagnose {
namespace {

using facts::GpuHealth;
using facts::NvmlHealth;

constexpr unsigned kFabricNotSupported = 0;
constexpr unsigned kFabricCompleted = 3;

constexpr const char* kFabricHint =
    "install nvidia-fabricmanager of exactly the driver's version, `systemctl "
    "enable --now nvidia-fabricmanager`, and look at its journal; until then "
    "CUDA fails with error 802";

bool has_no_state(const GpuHealth& gpu) {
  return gpu.fabric_state.value_or(kFabricNotSupported) == kFabricNotSupported;
}

VerifyCheck check_untold(const facts::HostFacts& host,
                         const NvmlHealth& health) {
  if (!driver::has_nvswitch(host)) {
    return {2, "nvml.fabric", Verdict::kSkip,
            "these GPUs are in no NVLink fabric"};
  }
  for (const Finding& pain : find_fabric_pains(host)) {
    return {2, "nvml.fabric", Verdict::kFail,
            fmt::format("{} ({})", pain.what, pain.seen), pain.next};
  }
  const auto unit = host.units.find("nvidia-fabricmanager.service");
  if (unit != host.units.end() && unit->second.active_state == "active") {
    return {2, "nvml.fabric", Verdict::kPass,
            "NVML does not tell it of these GPUs; nvidia-fabricmanager.service "
            "is active"};
  }
  const bool is_divided =
      std::ranges::all_of(health.gpus, [](const GpuHealth& gpu) {
        return says(gpu.mig, true) || gpu.problem.code != 0;
      });
  if (!is_divided) {
    return {2, "nvml.fabric", Verdict::kSkip,
            "NVML does not tell it of these GPUs; level 3 does"};
  }
  return {2, "nvml.fabric", Verdict::kWarn,
          "whether the NVLink fabric is set up is not known: NVML does not "
          "tell it of these GPUs, and level 3 asks none that MIG divides",
          "`systemctl status nvidia-fabricmanager` on the host"};
}

}  // namespace

VerifyCheck check_fabric(const facts::HostFacts& host,
                         const NvmlHealth& health) {
  if (std::ranges::all_of(health.gpus, has_no_state)) {
    return check_untold(host, health);
  }
  const std::string waiting = gpus_where(health, [](const GpuHealth& gpu) {
    if (gpu.problem.code != 0) return false;
    // MIG takes a GPU out of the fabric.
    return has_no_state(gpu) ? !says(gpu.mig, true)
                             : *gpu.fabric_state != kFabricCompleted;
  });
  if (!waiting.empty()) {
    return {2, "nvml.fabric", Verdict::kFail,
            "the NVLink fabric is not set up: GPU " + waiting, kFabricHint};
  }
  const std::string failed = gpus_where(
      health, [](const GpuHealth& gpu) { return gpu.fabric_status != 0; });
  if (!failed.empty()) {
    return {2, "nvml.fabric", Verdict::kFail,
            "the NVLink fabric could not be set up: GPU " + failed,
            kFabricHint};
  }
  return {2, "nvml.fabric", Verdict::kPass, "the NVLink fabric is set up"};
}

}  // namespace gpunode::diagnose
