// What the agent says of the node: docs/formats/status.md, read.
#pragma once

#include <cstdint>
#include <optional>
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
  /// A GPU or MIG device behind a resource.
  struct Device {
    std::string uuid;
    std::uint64_t gpu = 0;       ///< Index of the physical GPU.
    std::uint64_t replicas = 0;  ///< 0: not shared.
    std::uint64_t held = 0;      ///< Ids in Pods' hands.
    std::uint64_t free = 0;      ///< Healthy ids in nobody's.
  };
  struct Resource {
    std::string name;
    bool is_registered = false;
    std::string sharing;
    std::uint64_t capacity = 0;         ///< Ids listed.
    std::uint64_t allocatable = 0;      ///< Of those the healthy ones.
    std::uint64_t held = 0;             ///< Of those the ones that Pods have.
    std::optional<std::uint64_t> free;  ///< Nothing: nobody could tell.
    std::vector<Device> devices;
  };
  /// What a container has had of a Device's time, in turns.
  struct Compute {
    std::string device;
    std::uint64_t part = 0;  ///< Thousandths, as all parts here.
    std::string policy;      ///< "fair", "burst", "hard".
    double gpu_seconds = 0;
    double throttled_seconds = 0;  ///< It wanted a turn and had none.
    std::uint64_t turns = 0;
    std::uint64_t launches = 0;
    bool is_persistent = false;          ///< A kernel of it does not end.
    std::uint64_t observed_seconds = 0;  ///< 0: not long enough for these two.
    std::uint64_t mean_part = 0;         ///< Over all of that.
    std::uint64_t peak_part = 0;         ///< In its busiest ten seconds.
  };
  /// What one container holds of one resource.
  struct Holder {
    std::string pod_namespace;  ///< Empty, as the name, if only the UID is
    std::string pod;            ///< known.
    std::string uid;
    std::string container;
    std::string resource;
    std::vector<std::string> ids;
    /// Of what it was given (docs/adr/0006); empty: nobody said.
    std::string allocation = {};
    std::vector<Compute> compute = {};  ///< Devices on which it takes turns.
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
  std::string holder_source;   ///< "podResources", "checkpoint" or "none".
  std::string holder_problem;  ///< Why it is not podResources.
  std::vector<Holder> holders;
  std::vector<LeftOut> left_out;
  std::vector<std::string> not_ready;
};

/// kUnsupported for a document of another version, kCorrupt for what is none.
/// Members it does not know are passed over.
Result<AgentStatus> parse_agent_status(std::string_view document);

/// The body of GET /status from the agent's unix socket at `path`. Waits five
/// seconds at most, and takes 64 MiB at most.
///
/// kNotFound: there is no such socket; kUnavailable: nobody answers on it, at
/// once or in time; kPermissionDenied: it is not ours to ask.
Result<std::string> ask_agent(const std::string& path);

}  // namespace gpunode::diagnose
