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
#include "node/driver/gpu_expectation.h"
#include "node/facts/gpu_health.h"

namespace gpunode::diagnose {

inline constexpr int kHighestLevel = 7;
/// The highest that asks nothing but the host and starts nothing.
inline constexpr int kHostLevel = 3;

/// Which GPUs somebody said that there are to be.
struct ExpectedGpus {
  int count = 0;                                ///< 0: nobody did.
  std::vector<driver::ExpectedGpu> kinds = {};  ///< Empty: nobody did.
  /// Why nobody did; empty: there is a file, or none.
  std::string unknown = {};
};

/// Level 0: the GPUs on the PCI bus.
VerifyChecks verify_pci(const facts::HostFacts& host,
                        const ExpectedGpus& expected = {});

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

/// Level 4: a vectors' addition in a container that gets its GPUs through
/// gpunode-runtime, with nothing else of the driver in it.
struct ContainerTrial {
  std::string skipped = {};  ///< Why it was not tried; "": it was.
  /// How `ctr run` ended; an Error if it did not.
  std::optional<Result<host::Completed>> end = {};
};
VerifyChecks verify_container(const ContainerTrial& trial);

/// Level 5, of this host's Node, JSON of the API server, or why it could not
/// be had. `gpus`: how many GPUs the bus has.
VerifyChecks verify_kubelet(const Result<std::string>& node, std::size_t gpus);

/// Level 6, of the trial Pod as the API server had it at the end and its log;
/// or why there is none. `is_over`: it ended by itself.
struct PodEnd {
  std::string pod;  ///< JSON.
  std::string log;
  bool is_over = false;
};
VerifyChecks verify_pod(const Result<PodEnd>& end);

/// Whether that Pod will not run any more.
bool has_pod_ended(const std::string& pod);

/// Level 7, of what `dcgmi diag --json` printed, or why it did not.
VerifyChecks verify_diagnostics(const Result<host::Completed>& end);

/// A whole level that is not asked.
VerifyChecks skipped_level(int level, const std::string& reason);

}  // namespace gpunode::diagnose
