// What the bringer's Pod on a node says of itself. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "k8s/api/resource_path.h"

namespace gpunode::rollout {

/// How a bringer ends whose run on the host has failed: it is not tried again
/// by this Pod. Every other end is trouble of its own, and is.
inline constexpr int kRunFailedExit = 7;

/// Of the bringer's Pods: SHA-256 of the file that they bring.
inline constexpr const char* kBringFileAnnotation = "gpunode.io/file";

struct BringState {
  enum class Kind : std::uint8_t {
    kNone,     ///< There is no Pod yet.
    kWaiting,  ///< One is there and does not run: `words` say why.
    kRunning,
    kDone,
    kFailed,  ///< `words` are its last ones.
  };
  Kind kind = Kind::kNone;
  std::string pod;  ///< Its name.
  std::string words;
};

/// Out of the Pods of the bringer on one node. One that is leaving, or brings
/// another file than that of `digest`, counts for nothing, and of several the
/// one that was made last.
Result<BringState> read_bring_state(const std::vector<std::string>& pods,
                                    const std::string& digest);

/// The names of those that are there and not leaving.
Result<std::vector<kube::ObjectKey>> bring_pods(
    const std::vector<std::string>& pods);

}  // namespace gpunode::rollout
