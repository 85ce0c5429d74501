// Holds that Steps of ours placed and that the file no longer asks for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/provision/step.h"

namespace gpunode::provision {

/// Names that a Step whose id begins with `steps` ("driver.") holds by the
/// journal, but those of `kept`. Pure.
std::vector<std::string> own_holds(const History& history,
                                   std::string_view steps,
                                   const std::vector<std::string>& kept = {});

/// Adds what lets `names` be updated again, before all else that `plan` does;
/// nothing for none. A plan of kNotWanted becomes one of kChange by it.
void plan_release(std::vector<std::string> names, StepPlan& plan);

}  // namespace gpunode::provision
