// The distributions that a GPUNode file has: the table's, with its own rows in.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/distribution/driver_packages.h"
#include "node/distribution/table.h"
#include "node/provision/packages/distribution_repositories.h"

namespace gpunode::provision {

/// One row with what other tables have for it. Views: the Table outlives it.
struct ListedDistribution {
  const distribution::Distribution* row = nullptr;
  /// The file says it, or something of it.
  bool is_of_file = false;
  /// As Table::kin_of().
  const distribution::Distribution* kin = nullptr;
  /// EPEL, CRB and what others have for them, in the order to have them.
  std::span<const packages::ExtraRepository> extra;

  /// "rocky 8".
  std::string name() const;
};

using DistributionList = std::vector<ListedDistribution>;

/// All rows in the table's order; one of the file stands in the place of the
/// table's of that name, a new one behind the last of its id.
DistributionList list_distributions(const distribution::Table& table);

/// The rows that `name` means: "rocky-8", "rocky 8.9" or all of "rocky".
/// kNotFound, with the nearest name or what there is of that id, for none.
Result<DistributionList> select_distributions(const DistributionList& all,
                                              std::string_view name);

/// Why this version installs no driver there, one sentence each; empty if
/// nothing is in the way.
std::vector<std::string> refusals_of(const ListedDistribution& listed);

/// A driver that can be had there, or why not.
struct OfferedDriver {
  distribution::Flavour flavour = distribution::Flavour::kOpen;
  int branch = 0;
  Result<distribution::DriverPackages> packages;
};

/// Open and proprietary modules in the branch that is taken where nobody says,
/// or the nearest to it that the first architecture has, without a display.
std::vector<OfferedDriver> offered_drivers(const ListedDistribution& listed);

}  // namespace gpunode::provision
