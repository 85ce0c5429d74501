// A plan as a person reads it.
#pragma once

#include "base/console/page.h"
#include "node/provision/package_forecast.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

struct PlanView {
  bool all = false;   ///< Steps that are as they should be, and reasons.
  bool diffs = true;  ///< Of files that change.
  bool drift_is_overwritten = false;  ///< apply was told so.
  bool is_about_to_begin = false;     ///< It is apply that shows it.
  PackageForecasts forecasts = {};    ///< Shown with what they are of.
};

/// The whole plan: one block a Step, what gets lost, and how much there is to
/// do. Says at its end what to type next.
console::Page plan_page(const Plan& plan, const PlanView& view);

/// The last line alone: "3 to change, 1 changed by hand, 5 as they should be".
std::string plan_summary(const Plan& plan);

}  // namespace gpunode::provision
