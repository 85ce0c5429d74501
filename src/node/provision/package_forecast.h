// What the package manager would make of a plan, before anything is done: what
// comes along, what changes, how much is fetched and how much disk it takes.
//
// It is shown beside a Plan and never part of one: a mirror's news must not
// change what a saved plan is compared by (docs/formats/plan.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "node/facts/os_release.h"
#include "node/provision/packages/package_manager.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

/// Of one InstallPackages action, taken for itself on the system as it is.
struct PackageForecast {
  std::string step;        ///< Id.
  std::size_t action = 0;  ///< Its index among the Step's.
  /// kUnsupported and the like where the manager can't say: in words, why.
  Result<packages::TransactionPlan> transaction;
  /// What check_transaction() has against it; empty: nothing.
  std::string refusal = {};
};

/// Of a plan, in its order; empty where nobody asked.
struct PackageForecasts {
  std::vector<PackageForecast> all = {};

  /// The one of that action; null if there is none. Valid as long as this.
  const PackageForecast* find(std::string_view step, std::size_t action) const;
  bool has_refusal() const;
};

/// How long the package manager is asked in all.
inline constexpr std::chrono::seconds kForecastTime{20};

/// Asks `manager` about each InstallPackages action once. After an action that
/// adds, changes or removes a repository nothing is asked any more: the indexes
/// are not yet those that apply will have.
PackageForecasts forecast_packages(const Plan& plan,
                                   packages::PackageManager& manager);

/// The same with the manager of the distribution `os` and the tools of this
/// host, which read the indexes that are here, go to no mirror and wait for no
/// lock; not asked at all if the plan installs nothing. What isn't answered
/// within kForecastTime by `clock` is not known.
PackageForecasts forecast_packages(const Plan& plan, const facts::OsRelease& os,
                                   host::CommandRunner& runner,
                                   packages::Settings settings,
                                   const Clock& clock);

}  // namespace gpunode::provision
