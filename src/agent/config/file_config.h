// The config file, version v1, decoded but not yet combined with anything.
//
// The schema and every acceptance rule are NVIDIA's (docs/compatibility.md).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/config_source.h"
#include "agent/config/options.h"
#include "agent/config/settings.h"
#include "agent/config/warning.h"
#include "base/core/result.h"
#include "base/text/node.h"

namespace gpunode::config {

/// A value the file gives to an option.
struct FileValue {
  Value value;
  text::Mark mark;
};

/// One entry of `sharing.<strategy>.resources`, as written.
struct FileShare {
  std::string name;
  text::Mark mark;
  std::optional<std::string> rename;
  text::Mark rename_mark;
  DeviceSelection devices = AllDevices{};
  text::Mark devices_mark;
  std::uint64_t replicas = 0;
};

struct FileSharing {
  text::Mark mark;
  bool rename_by_default = false;
  std::optional<bool> fail_requests_greater_than_one;
  HolderLimits limits = HolderLimits::kNone;
  OnUnsupported on_unsupported = OnUnsupported::kRefuse;
  ComputePolicy compute = ComputePolicy::kFair;
  SharePriority priority = SharePriority::kNone;
  std::vector<FileShare> resources;  ///< At least one.
};

struct FileConfig {
  std::string version;  ///< Empty: not given, which means v1.
  text::Mark version_mark;
  std::array<std::optional<FileValue>, kOptionCount> options;
  std::optional<FileSharing> time_slicing;
  std::optional<FileSharing> mps;
  std::optional<FileSharing> shares;
  text::Mark resources_mark;  ///< Of a `resources` that lists something.

  const std::optional<FileValue>& operator[](Option option) const {
    return options[static_cast<std::size_t>(option)];
  }
};

/// Fails with what NVIDIA's plugin prints after "error parsing config file: ".
/// Appends to `warnings` in no particular order.
Result<FileConfig> decode_file(const ConfigText& file,
                               std::vector<Warning>& warnings);

}  // namespace gpunode::config
