// A node's plan for those who only look: lines and JSON.
#pragma once

#include <string>

#include "base/console/page.h"
#include "node/diagnose/step_look.h"

namespace gpunode::diagnose {

/// A line for each Step, how the last run ended, whether one waits. Steps that
/// the file does not ask for are shown if `all`.
void describe_plan(const PlanLook& plan, bool all, console::Page& page);

/// One object: `file`, `problem`, `steps`, `lastRun`, `pending`, `gaps`
/// (docs/formats/status.md). null without a GPUNode file.
std::string plan_look_json(const PlanLook& plan);

}  // namespace gpunode::diagnose
