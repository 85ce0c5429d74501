// What must hold before anything is begun, for what is planned: room, a root
// that may be written, a clock, package tools that are free and whole, and a
// cluster that would have the host.
//
// The first Step of every plan, `host.preflight`. It does nothing and blocks:
// half-way is the worst place to find a full disk. Unlike the other Steps it
// looks at the plan of all of them, since only what they need is asked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/filesystem_space.h"
#include "node/provision/plan.h"

namespace gpunode::provision {

inline constexpr std::string_view kPreflightId = "host.preflight";

/// Bytes that must be free, by directory; what is planned decides.
struct PreflightNeeds {
  std::map<std::string, std::uint64_t> space = {};
  bool packages = false;  ///< The package manager is going to be used.
  bool changes = false;   ///< Anything at all is.
  /// A cluster that is joined once all else is done: after an hour of drivers
  /// is no time to learn that the token is dead. Nothing where it comes first,
  /// and looks for itself, or where the clock is to be set before.
  std::optional<JoinCluster> join = {};
};

/// Pure. Packages of drivers and kernels need as much as their whole stack
/// does.
PreflightNeeds preflight_needs(const Plan& plan);

/// What was seen for them. What could not be seen is no obstacle.
struct PreflightFacts {
  std::map<std::string, host::FilesystemSpace> space = {};
  std::optional<std::int64_t> now = {};  ///< Seconds since 1970.
  /// Who keeps others from changing packages: "apt-get upgrade (pid 5225)".
  std::vector<std::string> lock_holders = {};
  struct Trouble {
    std::string what;
    std::string remedy;
  };
  std::vector<Trouble> half_configured = {};
  std::optional<Trouble> cluster = {};  ///< Why it could not be joined.
};

/// Why nothing can begin, or so it seems.
struct PreflightObstacle {
  std::string id;  ///< For --ignore-preflight: "space-var".
  std::string why;
  std::string fix;
};

/// Pure; in the order in which a person does well to settle them.
std::vector<PreflightObstacle> preflight_obstacles(const PreflightNeeds& needs,
                                                   const PreflightFacts& facts);

/// The Step: blocked by what is not among `ignored`, with notes of what is.
PlannedStep preflight_step(const std::vector<PreflightObstacle>& obstacles,
                           const std::vector<std::string>& ignored);

/// kInvalidArgument for an id that is none, with those that are. "all" is one.
Result<void> check_preflight_ids(const std::vector<std::string>& ignored);

}  // namespace gpunode::provision
