// The words that stand for the enumerators of Settings, both ways.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "agent/config/settings.h"
#include "base/core/log.h"

namespace gpunode::config {

template <class Enum, std::size_t N>
using Words = std::array<std::pair<std::string_view, Enum>, N>;

inline constexpr Words<MigStrategy, 3> kMigStrategies = {
    {{"none", MigStrategy::kNone},
     {"single", MigStrategy::kSingle},
     {"mixed", MigStrategy::kMixed}}};
inline constexpr Words<DeviceListStrategy, 4> kListStrategies = {
    {{"envvar", DeviceListStrategy::kEnvvar},
     {"volume-mounts", DeviceListStrategy::kVolumeMounts},
     {"cdi-annotations", DeviceListStrategy::kCdiAnnotations},
     {"cdi-cri", DeviceListStrategy::kCdiCri}}};
inline constexpr Words<DeviceIdStrategy, 2> kIdStrategies = {
    {{"uuid", DeviceIdStrategy::kUuid}, {"index", DeviceIdStrategy::kIndex}}};
inline constexpr Words<AllocationPolicy, 2> kPolicies = {
    {{"distributed", AllocationPolicy::kDistributed},
     {"packed", AllocationPolicy::kPacked}}};
inline constexpr Words<DiscoveryStrategy, 3> kDiscoveries = {
    {{"auto", DiscoveryStrategy::kAuto},
     {"nvml", DiscoveryStrategy::kNvml},
     {"tegra", DiscoveryStrategy::kTegra}}};
/// Of feature discovery, which tells also of GPUs that no Pod can have.
inline constexpr Words<DiscoveryStrategy, 4> kLabelledDiscoveries = {
    {{"auto", DiscoveryStrategy::kAuto},
     {"nvml", DiscoveryStrategy::kNvml},
     {"tegra", DiscoveryStrategy::kTegra},
     {"vfio", DiscoveryStrategy::kVfio}}};
inline constexpr Words<log::Level, 4> kLevels = {
    {{"debug", log::Level::kDebug},
     {"info", log::Level::kInfo},
     {"warning", log::Level::kWarning},
     {"error", log::Level::kError}}};

inline constexpr Words<LabelTarget, 4> kLabelTargets = {
    {{"off", LabelTarget::kOff},
     {"file", LabelTarget::kFile},
     {"node", LabelTarget::kNode},
     {"nodefeature", LabelTarget::kNodeFeature}}};

inline constexpr Words<HolderLimits, 3> kHolderLimits = {
    {{"none", HolderLimits::kNone},
     {"memory", HolderLimits::kMemory},
     {"memory+compute", HolderLimits::kMemoryAndCompute}}};
inline constexpr Words<ComputePolicy, 4> kComputePolicies = {
    {{"fair", ComputePolicy::kFair},
     {"burst", ComputePolicy::kBurst},
     {"hard", ComputePolicy::kHard},
     {"none", ComputePolicy::kNone}}};

inline constexpr Words<SharePriority, 2> kSharePriorities = {
    {{"none", SharePriority::kNone}, {"pod", SharePriority::kPod}}};

template <class Enum, std::size_t N>
constexpr const Enum* look_up(const Words<Enum, N>& words,
                              std::string_view word) {
  for (const auto& row : words) {
    if (row.first == word) return &row.second;
  }
  return nullptr;
}

template <class Enum, std::size_t N>
constexpr std::string_view word_of(const Words<Enum, N>& words, Enum value) {
  for (const auto& row : words) {
    if (row.second == value) return row.first;
  }
  return {};
}

}  // namespace gpunode::config
