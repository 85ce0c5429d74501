// The agent's status in words, for a person at a terminal.
#pragma once

#include <string>

#include "node/diagnose/agent_status.h"
#include "node/diagnose/finding.h"

namespace gpunode::diagnose {

/// What somebody should mend, and how.
Findings check_status(const AgentStatus& status);

/// Short lines, each of its own: GPUs, resources, configuration, findings.
/// What does not print is a question mark. Ids and replicas are counted, not
/// listed.
std::string describe(const AgentStatus& status, const Findings& findings);

}  // namespace gpunode::diagnose
