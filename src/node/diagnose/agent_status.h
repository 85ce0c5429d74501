// What the agent says of the node: docs/formats/status.md, read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::diagnose {

struct AgentStatus {
  struct Mig {
    std::string uuid;
    std::uint64_t index = 0;
    std::string profile;
    std::uint64_t memory_bytes = 0;  ///< 0: unknown.
  };
  struct Gpu {
    std::string uuid;
    std::uint64_t index = 0;
    std::string name;
    std::uint64_t memory_bytes = 0;  ///< 0: unknown.
    bool mig_enabled = false;
    std::vector<Mig> mig;
  };
  struct Unhealthy {
    std::string uuid;
    std::string reason;
    std::uint64_t seconds = 0;  ///< For how long.
  };
  struct Resource {
    std::string name;
    bool is_registered = false;
    std::string sharing;
    std::uint64_t capacity = 0;     ///< Ids listed.
    std::uint64_t allocatable = 0;  ///< Of those the healthy ones.
  };
  struct LeftOut {
    std::string resource;
    std::string reason;
  };

  std::string driver_version;
  bool driver_answers = false;
  std::string config_origin;
  std::string config_file;
  std::string config_name;  ///< Of one that was chosen by name.
  std::string mig_strategy;
  std::uint64_t config_warnings = 0;
  std::string reload_problem;
  std::string label_problem;
  std::vector<Gpu> gpus;
  std::vector<Unhealthy> unhealthy;
  std::vector<Resource> resources;
  std::vector<LeftOut> left_out;
  std::vector<std::string> not_ready;
};

/// kUnsupported for a document of another version, kCorrupt for what is none.
/// Members it does not know are passed over.
Result<AgentStatus> parse_agent_status(std::string_view document);

/// The body of GET /status from the agent's unix socket at `path`.
/// kNotFound or kUnavailable: nobody answers there. Waits five seconds at
/// most, and takes 64 MiB at most.
Result<std::string> ask_agent(const std::string& path);

}  // namespace gpunode::diagnose
