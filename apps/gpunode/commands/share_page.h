// What `gpunode shares` shows of the node's shares.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/console/page.h"
#include "node/diagnose/agent_status.h"
#include "share/grants/grant_files.h"

namespace gpunode::cli {

/// One allocation; its names and what it had of GPUs' time where the agent
/// knows them.
struct Share {
  std::string allocation;
  std::string space;
  std::string pod;
  std::string container;
  share::GrantLook look;
  std::vector<diagnose::AgentStatus::Compute> compute;

  bool is_called(std::string_view name) const {
    return !name.empty() &&
           (name == allocation || name == pod || name == space + "/" + pod);
  }
  /// Null: nobody tells.
  const diagnose::AgentStatus::Compute* compute_of(
      const std::string& device) const;
};

/// One object, with a member of each (docs/sharing.md).
std::string json_of(const std::vector<Share>& shares);

console::Page page_of(const std::vector<Share>& shares);

}  // namespace gpunode::cli
