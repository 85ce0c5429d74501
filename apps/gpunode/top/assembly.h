// From what the driver, the agent, the ledgers and /proc each say to one
// picture. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/gpunode/top/readings.h"
#include "apps/gpunode/top/snapshot.h"
#include "base/core/clock.h"
#include "node/diagnose/agent_status.h"
#include "share/grants/grant_files.h"

namespace gpunode::top {

/// The account of one container.
struct GrantReading {
  std::string allocation;
  share::GrantLook look;
  std::vector<std::uint32_t> pids;  ///< Of the host; those that are known.
};

/// What /proc says of a process that is on a GPU.
struct ProcessFacts {
  std::string command;
  std::string pod_uid;  ///< Empty: it is no Pod's.
};

struct Gathered {
  std::string host;
  std::string time;
  Readings readings;
  std::string driver_problem;
  diagnose::AgentStatus status;  ///< Without an agent what files tell.
  std::string agent_problem;
  TimePoint counted{};  ///< As of Snapshot.
  std::vector<GrantReading> grants;
  std::string share_problem;
  std::map<std::uint32_t, ProcessFacts> processes;
  std::vector<std::string> awaited;  ///< As of Snapshot.
};

Snapshot assemble(const Gathered& gathered);

}  // namespace gpunode::top
