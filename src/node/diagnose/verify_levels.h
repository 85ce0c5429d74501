// The levels of `gpunode verify` (docs/formats/verify.md), from the bus up.
//
// Pure: what was seen in, verdicts out. Each level has all its checks in the
// answer, those that could not be asked as skipped.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "node/diagnose/doctor_look.h"
#include "node/diagnose/verify_check.h"
#include "node/facts/gpu_health.h"

namespace gpunode::diagnose {

inline constexpr int kHighestLevel = 3;

/// Level 0: the GPUs on the PCI bus.
VerifyChecks verify_pci(const facts::HostFacts& host);

/// Level 1: NVIDIA's module in the running kernel.
VerifyChecks verify_module(const DoctorLook& look);

/// Level 2, of what `gpunode-probe --health` printed, or why it did not.
VerifyChecks verify_nvml(const facts::HostFacts& host,
                         const Result<std::string>& report);

/// nvml.fabric of level 2. Where NVML does not tell, as of A100s, the fabric
/// manager's state does, and CUDA on a GPU that is whole.
VerifyCheck check_fabric(const facts::HostFacts& host,
                         const facts::NvmlHealth& health);

/// How gpunode-probe --vectoradd ends without a libcuda (apps/vectoradd/
/// exit_code.h).
inline constexpr int kNoCudaLibrary = 4;

/// One GPU of level 3, by a name for people.
struct CudaTarget {
  std::string gpu;      ///< "GPU 2", NVML's index; "GPU at 0000:3b:00.0".
  std::string uuid;     ///< By which CUDA finds it.
  std::string skipped;  ///< Why it is not tried; "": it is.
};

/// Every GPU that NVML or the bus has, in NVML's order. Not tried are those
/// that MIG divides, that do not answer, or that NVML does not have. Empty if
/// the report is none.
std::vector<CudaTarget> cuda_targets(const facts::HostFacts& host,
                                     const Result<std::string>& report);

/// Level 3: one vectors' addition on each GPU.
struct CudaRun {
  CudaTarget target;
  /// How `gpunode-probe --vectoradd` ended; an Error if it was killed. Nothing
  /// where target.skipped says why.
  std::optional<Result<host::Completed>> end;
};

/// Asks each target of `targets` through `add`, which runs `gpunode-probe
/// --vectoradd` on a UUID. After one that did not end in time the others are
/// skipped: what hangs one hangs the others, a timeout at a time.
std::vector<CudaRun> run_cuda(
    std::vector<CudaTarget> targets,
    const std::function<Result<host::Completed>(const std::string&)>& add);

/// One check for each of `runs`.
VerifyChecks verify_cuda(const std::vector<CudaRun>& runs);

/// A whole level that is not asked.
VerifyChecks skipped_level(int level, const std::string& reason);

}  // namespace gpunode::diagnose
