// The status as one JSON object: docs/formats/status.md.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"
#include "node/diagnose/agent_status.h"
#include "node/diagnose/finding.h"
#include "node/diagnose/host_look.h"
#include "node/diagnose/step_look.h"

namespace gpunode::diagnose {

/// The agent's `document` with what gpunode adds: `agent`, `findings`, `node`
/// where `plan` exists, and the holders of `status`, whose Pods may have got
/// names since. What is in it is else as the agent wrote it.
Result<std::string> status_json(std::string_view document,
                                const AgentStatus& status, const PlanLook& plan,
                                const Findings& findings);

/// Of a node whose agent did not answer for the reason `why`: the members that
/// the host's files tell, and the rest absent.
std::string status_json(const HostLook& look, const Error& why,
                        const PlanLook& plan, const Findings& findings);

}  // namespace gpunode::diagnose
