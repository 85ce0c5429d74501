// What gpunode-probe --health tells: whether NVML starts, and how the GPUs are.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::facts {

/// A result of NVML's that is no success. Code 0: there is none.
struct NvmlProblem {
  int code = 0;      ///< nvmlReturn_t: 18.
  std::string text;  ///< NVML's own words: "Driver/library version mismatch".
};

/// A member that NVML should tell and did not: not one of what a GPU has not.
struct NvmlSilence {
  std::string member;  ///< By its name in the report: "ecc".
  NvmlProblem problem;
};

/// One GPU; what the driver does not tell of it is absent.
struct GpuHealth {
  unsigned index = 0;   ///< NVML's.
  NvmlProblem problem;  ///< Why nothing more is known of it.
  std::string uuid;
  std::string bus_id;  ///< As sysfs writes it: "0000:00:1e.0".
  std::optional<bool> persistence;
  std::optional<bool> ecc;
  std::optional<bool> ecc_pending;  ///< What `ecc` will be after a reset.
  std::optional<bool> mig;
  std::optional<bool> mig_pending;
  std::optional<unsigned> remapped_rows;
  std::optional<bool> remap_pending;
  std::optional<bool> remap_failed;
  std::optional<bool> retired_pending;
  std::optional<unsigned> fabric_state;  ///< NVML_GPU_FABRIC_STATE_*.
  int fabric_status = 0;                 ///< Of a completed one.
  std::vector<NvmlSilence> silences;
};

struct NvmlHealth {
  NvmlProblem start;
  std::string driver_version;
  std::string nvml_version;  ///< "13.580.65.06".
  NvmlProblem counted;       ///< Why there is no count.
  unsigned count = 0;
  std::vector<GpuHealth> gpus;
  std::vector<NvmlSilence> silences;  ///< Of no GPU: "driverVersion".
};

/// The report (docs/formats/probe.md). kCorrupt, with line and column, for
/// anything else; members that are not known are passed over.
Result<NvmlHealth> parse_health_report(std::string_view json);

}  // namespace gpunode::facts
