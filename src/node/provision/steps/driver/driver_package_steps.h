// For tests of driver.repository, driver.packages and driver.hold: a host that
// the Steps are carried out on.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/driver/trial_machines.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {

inline std::vector<std::unique_ptr<Step>> driver_package_steps() {
  std::vector<std::unique_ptr<Step>> steps;
  steps.push_back(make_driver_obstacles());
  steps.push_back(make_driver_repository());
  steps.push_back(make_driver_packages());
  steps.push_back(make_driver_hold());
  return steps;
}

/// All that a plan would do, each Step's actions carried out before the next.
inline std::vector<StepPlan> carry_out_all(TrialHost& host) {
  std::vector<StepPlan> plans;
  for (const auto& step : driver_package_steps()) {
    plans.push_back(host.plan(*step));
    host.carry_out(plans.back());
  }
  return plans;
}

/// NVIDIA's own keys are not among the fixtures: that one is fetched again is
/// all that a second plan may say.
inline void expect_done(const TrialHost& host, const std::string& what) {
  for (const auto& step : driver_package_steps()) {
    const StepPlan plan = host.plan(*step);
    for (const Action& action : plan.actions) {
      EXPECT_TRUE(std::holds_alternative<FetchKey>(action))
          << what << ": " << step->id() << ": " << describe(action) << " ("
          << plan.why << ")";
    }
    EXPECT_NE(plan.state, StepState::kDrift) << what << ": " << plan.why;
  }
}

inline InstallSet set_of(const TrialHost& host) {
  const auto sets = actions_of<InstallSet>(host.plan(*make_driver_packages()));
  EXPECT_THAT(sets, testing::SizeIs(1));
  return sets.empty() ? InstallSet{} : sets.front();
}

}  // namespace gpunode::provision
