// UUIDs of GPUs and MIG devices that the kernel's files do not have: asked of
// the driver's library by gpunode-probe, in a process of its own.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "container/cdi/findings.h"
#include "gpu/procfs/gpu_list.h"

namespace gpunode::cli {

struct GpuUuid {
  device::Minor minor;
  device::DeviceId id;
};

/// What the probe prints (docs/formats/probe.md). Passive data.
struct ProbeReport {
  std::vector<GpuUuid> gpus;
  std::vector<procfs::MigUuid> mig_devices;
};

/// kCorrupt, with line and column, for anything else.
Result<ProbeReport> parse_probe_report(std::string_view json);

/// A GPU or a MIG device of `inventory` has no UUID.
bool has_unnamed(const device::Inventory& inventory);

/// The probe's path: beside this program.
std::string own_probe();

/// Fills in what `found` lacks: runs `probe` with the driver's libnvidia-ml,
/// which is among `found`'s files below `driver_root`, and lists the GPUs of
/// `host` again. The library may take long to wake GPUs: kProbeTimeout.
Result<void> name_gpus(cdi::Findings& found, const host::HostRoot& host,
                       const host::HostRoot& driver_root,
                       const std::string& probe, host::CommandRunner& runner);
inline constexpr std::chrono::seconds kProbeTimeout{60};

}  // namespace gpunode::cli
