// Grant: what a container is held to, as the node keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpunode::share {

/// What becomes of time that a container's part gives it and it does not use.
/// The numbers are those of the limits' file.
enum class TurnPolicy : std::uint8_t {
  kFair = 0,   ///< It is everybody's, by their parts.
  kBurst = 1,  ///< It is everybody's, after those who have used less than their
               ///< part.
  kHard = 2,   ///< Nobody's: a part is all that one gets.
};

/// As the configuration has it.
constexpr const char* name_of(TurnPolicy policy) {
  switch (policy) {
    case TurnPolicy::kBurst:
      return "burst";
    case TurnPolicy::kHard:
      return "hard";
    case TurnPolicy::kFair:
      break;
  }
  return "fair";
}

/// A container's part of a Device's time.
struct TimePart {
  /// 1 to 1000; 0: it takes no turns.
  std::uint32_t thousandths = 0;
  TurnPolicy policy = TurnPolicy::kFair;

  friend bool operator==(const TimePart&, const TimePart&) = default;
};

/// Whose word a priority is. The numbers are those of the limits' file.
enum class PrioritySource : std::uint8_t {
  kNobody = 0,  ///< All are equal, at 0.
  kPod = 1,     ///< Its Pod's, which the agent has asked for.
  kHand = 2,    ///< Somebody's at this node: whatever the Pod's is.
};

/// As programs are told it.
constexpr const char* name_of(PrioritySource source) {
  switch (source) {
    case PrioritySource::kPod:
      return "pod";
    case PrioritySource::kHand:
      return "hand";
    case PrioritySource::kNobody:
      break;
  }
  return "none";
}

/// Who has a Device first of those who want it: the higher one.
struct TurnPriority {
  std::int32_t value = 0;
  PrioritySource source = PrioritySource::kNobody;

  friend bool operator==(const TurnPriority&, const TurnPriority&) = default;
};

/// One Device of a grant.
struct GrantedDevice {
  std::string uuid;         ///< "GPU-…" or "MIG-…".
  std::uint64_t bytes = 0;  ///< All processes of the container together.
  TimePart time = {};

  friend bool operator==(const GrantedDevice&, const GrantedDevice&) = default;
};

/// What becomes of a container whose programs cannot be limited.
enum class OnUnsupported { kRefuse, kUnlimited };

/// Follows from the ids that a container was given and the settings alone, so
/// that it can be made again at any time (docs/adr/0006).
struct Grant {
  std::string id;  ///< resource::allocation_id() of the ids.
  std::vector<GrantedDevice> devices;  ///< From 1 to kMostDevices.
  OnUnsupported on_unsupported = OnUnsupported::kRefuse;

  friend bool operator==(const Grant&, const Grant&) = default;
};

}  // namespace gpunode::share
