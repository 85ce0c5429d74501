#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "node/diagnose/verify_levels.h"
#include "node/facts/host_text.h"

namespace gpunode::diagnose {
namespace {

using facts::GpuHealth;

/// As kNoCudaLibrary.
constexpr int kWrongResult = 3;

struct Sign {
  std::string_view text;
  Verdict verdict;
  std::string_view hint;
};

/// By what CUDA calls its results.
constexpr std::array<Sign, 5> kSigns = {{
    {"CUDA_ERROR_SYSTEM_NOT_READY", Verdict::kFail,
     "error 802: the fabric manager does not run or is of another version; "
     "install nvidia-fabricmanager of exactly the driver's version and "
     "`systemctl enable --now nvidia-fabricmanager`"},
    {"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", Verdict::kFail,
     "error 803: libcuda is of another release than the module; drain the node "
     "and reboot"},
    {"CUDA_ERROR_OUT_OF_MEMORY", Verdict::kWarn,
     "a program holds the GPU's memory (nvidia-smi names it); try again when "
     "it is idle"},
    {"CUDA_ERROR_DEVICE_UNAVAILABLE", Verdict::kWarn,
     "a program has the GPU for itself (compute mode); try again when it is "
     "idle"},
    {"CUDA_ERROR_ECC_UNCORRECTABLE", Verdict::kFail,
     "drain the node and reset the GPU; if it comes again, have it replaced"},
}};

std::string first_line(std::string_view text) {
  return text.empty() ? std::string() : std::string(facts::take_line(text));
}

/// Why a GPU is not tried; "" if it is.
std::string why_not(const GpuHealth& gpu) {
  if (gpu.problem.code != 0) {
    return fmt::format("it does not answer NVML: {} ({})", gpu.problem.text,
                       gpu.problem.code);
  }
  if (gpu.uuid.empty()) return "NVML does not tell its UUID";
  if (gpu.mig.value_or(false)) {
    return "MIG divides it; its parts are tried inside of containers";
  }
  return {};
}

/// Those of the bus that are none of NVML's.
std::vector<CudaTarget> targets_nvml_lacks(const facts::HostFacts& host,
                                           const facts::NvmlHealth& health) {
  std::vector<CudaTarget> targets;
  for (const facts::PciGpu& gpu : host.gpus) {
    // A virtual function is for virtual machines.
    if (gpu.is_switch || !gpu.condition.physical_function.empty()) continue;
    if (std::ranges::find(health.gpus, gpu.address, &GpuHealth::bus_id) !=
        health.gpus.end()) {
      continue;
    }
    targets.push_back({"GPU at " + gpu.address, "",
                       gpu.driver == "vfio-pci"
                           ? "vfio-pci has it, for a virtual machine"
                           : "NVML does not have it (nvml.count)"});
  }
  // NVML may not tell the address of one: it is named by its number then.
  const auto nameless =
      std::ranges::count(health.gpus, std::string(), &GpuHealth::bus_id);
  if (static_cast<std::ptrdiff_t>(targets.size()) <= nameless) targets.clear();
  return targets;
}

VerifyCheck check_run(const CudaRun& run) {
  const std::string gpu = run.target.gpu + ": ";
  VerifyCheck check{3, "cuda.vectoradd", Verdict::kFail, "", ""};
  if (!run.end) {
    check.verdict = Verdict::kSkip;
    check.evidence = gpu + run.target.skipped;
    return check;
  }
  const Result<host::Completed>& end = *run.end;
  if (!end) {
    check.evidence = gpu + end.error().message();
    check.hint =
        "CUDA hung or crashed: `journalctl -k -b -g NVRM`; drain the node and "
        "reboot";
    return check;
  }
  if (end->status == 0) {
    check.verdict = Verdict::kPass;
    check.evidence = gpu + "vectors are added, and every sum is right";
    return check;
  }
  check.evidence = gpu + first_line(end->err);
  for (const Sign& sign : kSigns) {
    if (end->err.find(sign.text) == std::string::npos) continue;
    check.verdict = sign.verdict;
    check.hint = std::string(sign.hint);
    return check;
  }
  check.hint =
      end->status == kWrongResult
          ? "the GPU computes wrongly: take it out of use"
      : end->status == kNoCudaLibrary
          ? "install the driver's CUDA library (libcuda.so.1) of the module's "
            "version"
          : "`journalctl -k -b -g NVRM` and `gpunode doctor`";
  return check;
}

}  // namespace

std::vector<CudaTarget> cuda_targets(const facts::HostFacts& host,
                                     const Result<std::string>& report) {
  if (!report) return {};
  const auto health = facts::parse_health_report(*report);
  if (!health) return {};
  std::vector<CudaTarget> targets;
  for (const GpuHealth& gpu : health->gpus) {
    targets.push_back(
        {fmt::format("GPU {}", gpu.index), gpu.uuid, why_not(gpu)});
  }
  std::vector<CudaTarget> others = targets_nvml_lacks(host, *health);
  std::move(others.begin(), others.end(), std::back_inserter(targets));
  return targets;
}

std::vector<CudaRun> run_cuda(
    std::vector<CudaTarget> targets,
    const std::function<Result<host::Completed>(const std::string&)>& add) {
  std::vector<CudaRun> runs;
  std::string hung;
  for (CudaTarget& target : targets) {
    if (target.skipped.empty() && !hung.empty()) {
      target.skipped = hung + " hung before, and so it was not asked";
    }
    CudaRun run{std::move(target), std::nullopt};
    if (run.target.skipped.empty()) run.end = add(run.target.uuid);
    if (run.end && !*run.end &&
        run.end->error().code() == ErrorCode::kUnavailable) {
      hung = run.target.gpu;
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

VerifyChecks verify_cuda(const std::vector<CudaRun>& runs) {
  if (runs.empty()) return skipped_level(3, "there is no GPU to try");
  VerifyChecks checks;
  checks.reserve(runs.size());
  for (const CudaRun& run : runs) checks.push_back(check_run(run));
  return checks;
}

}  // namespace gpunode::diagnose
