#include "node/provision/distribution_row.h"

namespace gpunode::provision {

Result<DistributionRow> distribution_row(const PlanInput& input) {
  const facts::OsRelease& os = input.facts.os;
  DistributionRow found;
  TRY(found.table, distribution::Table::with(input.spec.distributions));
  TRY(found.row, found.table.find(os.id, os.version_id));
  return found;
}

}  // namespace gpunode::provision
