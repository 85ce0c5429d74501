// What gpunode-probe tells of the GPUs.
#pragma once

#include <string_view>

#include "base/core/result.h"
#include "gpu/device/inventory.h"

namespace gpunode::facts {

/// The report (docs/formats/probe.md) as an Inventory: all but the topology and
/// what procfs::annotate() adds. What the report lacks is empty or zero.
/// kCorrupt, with line and column, for anything else.
Result<device::Inventory> parse_probe_report(std::string_view json);

/// The same with those GPUs among the lost ones that the driver did not
/// describe to the end, as the agent has it.
Result<device::Inventory> parse_described_gpus(std::string_view json);

}  // namespace gpunode::facts
