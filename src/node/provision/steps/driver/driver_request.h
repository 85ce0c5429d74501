// What the Steps behind the driver's packages share: the choice, the kernels
// that need its modules, and whether the loaded one must go.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/driver/driver_choice.h"
#include "node/provision/distribution_row.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// What is asked for, and the row of the distribution that it is chosen from.
struct DriverRequest {
  DistributionRow distribution;
  driver::Choice choice;
};

/// The driver that the host is to have. Nothing if there is none to see to:
/// `plan` says why then. What is impossible is blocked by driver.obstacles, and
/// the others only refer to it.
std::optional<DriverRequest> request_driver(const PlanInput& input,
                                            StepPlan& plan);

/// The choice of it alone.
std::optional<driver::Choice> requested_driver(const PlanInput& input,
                                               StepPlan& plan);

/// The same without words: an Error where no driver is possible.
Result<DriverRequest> request_for(const PlanInput& input);

/// That Error for a person, with what to do.
StepPlan no_driver(const Error& error);

/// "580" or "580.65.06", for words.
std::string name_of(const driver::Choice& choice);

/// Whether a driver of `version` is what `choice` asks for.
bool is_of(const driver::Choice& choice, const std::string& version);

/// The kernels that modules are built for: the one that the driver is for, and
/// others that could boot and have what a module is built with.
std::vector<std::string> kernels_to_build(const PlanInput& input);

/// Why the loaded modules must make way for others, as words that go on "the
/// loaded driver …"; empty if they need not, or none are loaded.
std::string reload_reason(const PlanInput& input, const driver::Choice& choice);

/// Who has a GPU open and is no service that driver.load stops itself. A
/// process that has the name of one counts unless that unit runs: it may be a
/// Pod's.
std::vector<std::string> others_on_gpus(const facts::HostFacts& host);

/// What unloading needs: nobody has a GPU open. `plan` is refused otherwise.
bool refuse_in_use(const PlanInput& input, const std::string& reason,
                   StepPlan& plan);

/// Facts that all of these need.
facts::Wanted driver_wants();

/// Those, and what is to be known of services where modules are loaded anew.
facts::Wanted reload_wants();

/// Services of the driver, in the order in which they start.
std::vector<std::string> driver_services(const NodeSpec& spec,
                                         const driver::Choice& choice);

}  // namespace gpunode::provision
