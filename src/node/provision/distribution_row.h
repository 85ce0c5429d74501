// What the table of distributions, with what the GPUNode file adds to it, says
// of the host.
#pragma once

#include "base/core/result.h"
#include "node/distribution/table.h"
#include "node/provision/step.h"

namespace gpunode::provision {

struct DistributionRow {
  distribution::Table table;  ///< Where `row` is.
  const distribution::Distribution* row = nullptr;
};

/// kUnsupported for a host that is in no row, kInvalidArgument for additions
/// that cannot be meant (table.h).
Result<DistributionRow> distribution_row(const PlanInput& input);

}  // namespace gpunode::provision
