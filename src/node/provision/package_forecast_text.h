// Forecasts of package transactions in words. Pure.
#pragma once

#include <string>
#include <vector>

#include "node/provision/package_forecast.h"

namespace gpunode::provision {

/// "5 packages, 2.1 MiB to fetch, 6.0 MiB on disk".
std::string forecast_summary(const packages::TransactionPlan& transaction);

/// Beyond what was asked for, a line for each kind of it that there is:
/// "comes along: libx 1.2", "changes: openssl 3.0.1 to 3.0.2", "removes: …".
std::vector<std::string> forecast_details(
    const packages::TransactionPlan& transaction);

/// What is not known, one line a reason with the Steps that it is of:
/// "sizes are not known (prep.time, prep.packages): …".
std::vector<std::string> forecast_gaps(const PackageForecasts& forecasts);

}  // namespace gpunode::provision
