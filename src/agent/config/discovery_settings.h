// DiscoverySettings: what GPU feature discovery was told to do.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "agent/config/settings.h"

namespace gpunode::config {

struct DiscoverySettings {
  /// What the labels follow from, as the device plugin would have it: MIG
  /// strategy, sharing, where the driver and the host are. Of the rest only
  /// fail_on_init_error, log_level, kubeconfig and node_name are meant.
  Settings node;
  bool oneshot = false;
  bool has_timestamp = true;
  /// Between two passes, at least a second; nothing: after the first, never.
  std::optional<std::chrono::nanoseconds> sleep_interval =
      std::chrono::seconds(60);
  /// Into the NodeFeature object of node.node_name; else into output_file.
  bool uses_node_feature_api = false;
  std::string space;              ///< Its namespace, and this Pod's.
  std::string pod;                ///< This Pod; empty: not known, or none.
  std::string output_file;        ///< Empty: standard output.
  std::string machine_type_file;  ///< Below node.host_root; empty: none.
};

}  // namespace gpunode::config
