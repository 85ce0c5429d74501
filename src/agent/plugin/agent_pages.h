// /healthz, /readyz and /metrics: the agent for those who look from outside.
#pragma once

#include <functional>
#include <string>

#include "agent/plugin/agent_view.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/http/server.h"

namespace gpunode::plugin {

/// Listens on `address`. `look` is asked from the server's step() for what the
/// pages are about, and `look_kept` by /metrics: its sums will not be less for
/// the next agent, either. `host_root` is where the host is mounted whose
/// runtime keeps the log that /metrics counts.
Result<http::Server> serve_pages(const std::string& address, const Clock& clock,
                                 const std::string& host_root,
                                 std::function<AgentView()> look,
                                 std::function<AgentView()> look_kept);

}  // namespace gpunode::plugin
