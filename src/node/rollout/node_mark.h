// What a roll-out keeps on a Node, so that whoever types the command again,
// anywhere, goes on from there. Pure.
//
//   label       gpunode.io/bring       the bringer is wanted here, for this
//   file annotation  gpunode.io/rollout     a roll-out is at work here: a
//   NodeMark annotation  gpunode.io/rolled-out  the file that was rolled out
//   here at last
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::rollout {

inline constexpr const char* kBringLabel = "gpunode.io/bring";
inline constexpr const char* kRolloutAnnotation = "gpunode.io/rollout";
inline constexpr const char* kRolledOutAnnotation = "gpunode.io/rolled-out";

/// A file's SHA-256 as labels can have it: its first 16 digits.
std::string short_digest(std::string_view digest);

/// How far a Node is. Each phase may be begun again from its start.
enum class Phase : std::uint8_t {
  kDraining,  ///< Cordoned; its Pods are asked to go.
  kBringing,  ///< The bringer is there, or on its way.
  kChecking,  ///< The file is applied; whether the Node is well is looked at.
};

const char* phase_name(Phase phase);

struct NodeMark {
  Phase phase = Phase::kDraining;
  std::string digest;         ///< Of the file.
  bool was_cordoned = false;  ///< Before us: then it stays so.
  std::uint64_t gpus = 0;     ///< Allocatable before.
  std::string why;            ///< Why it stopped here; empty: it did not.

  friend bool operator==(const NodeMark&, const NodeMark&) = default;
};

/// kCorrupt: nobody of ours wrote it.
Result<NodeMark> read_mark(std::string_view annotation);

std::string mark_text(const NodeMark& mark);

/// Which Node a patch means: this one as it was read, and no namesake.
struct NodeVersion {
  std::string uid;
  std::string resource_version;
};

// Merge patches of a Node; each is one write that holds or does not.

/// Cordons it and remembers.
std::string begin_patch(const NodeVersion& node, const NodeMark& mark);

/// Another phase, or why it stopped. From kBringing on the bringer is wanted.
std::string mark_patch(const NodeVersion& node, const NodeMark& mark);

/// Done: the bringer is not wanted any more, and only `mark.was_cordoned` keeps
/// the Node cordoned.
std::string finish_patch(const NodeVersion& node, const NodeMark& mark);

}  // namespace gpunode::rollout
