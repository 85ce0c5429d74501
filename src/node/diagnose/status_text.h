// The agent's status in words, for a person at a terminal.
#pragma once

#include <string>

#include "base/console/page.h"
#include "node/diagnose/agent_status.h"
#include "node/diagnose/finding.h"
#include "node/diagnose/host_look.h"
#include "node/diagnose/step_look.h"

namespace gpunode::diagnose {

/// How much is shown of what there may be thousands of.
enum class Detail {
  kSummary,  ///< A few Pods of each GPU; replicas as ranges.
  kAll,      ///< Every Pod, and every id in full.
};

/// What somebody should mend, and how.
Findings check_status(const AgentStatus& status);

/// Driver, GPUs and who holds them, resources, configuration, findings.
console::Page describe(const AgentStatus& status, const Findings& findings,
                       Detail detail);

/// Whether somebody should know that no agent answers.
enum class Absence {
  kTold,
  kExpected,  ///< The machine is being made a node and has no kubelet yet.
};

/// kExpected if `plan` is of a machine where no kubelet has been. Pure.
Absence judge_absence(const Error& why, const HostLook& look,
                      const PlanLook& plan);

/// The same of a node whose agent did not answer.
console::Page describe(const HostLook& look, const Findings& findings,
                       Detail detail, Absence absence = Absence::kTold);

}  // namespace gpunode::diagnose
