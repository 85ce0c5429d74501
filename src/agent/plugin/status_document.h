// The agent's state as the document that `gpunode status` reads.
#pragma once

#include <string>

#include "agent/plugin/agent_view.h"
#include "agent/plugin/pod_holders.h"

namespace gpunode::plugin {

/// One JSON object in the form of docs/formats/status.md, without an end of
/// line. Of `holders` those that hold Devices of ours. Pure.
std::string status_document(const AgentView& view, const Holders& holders);

}  // namespace gpunode::plugin
