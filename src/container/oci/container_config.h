// config.json as the shim needs it: what the container is asked to be, and
// where in the text that is written.
//
// After the OCI runtime specification, config.md and config-linux.md. Only the
// members below are decoded; everything else is checked to be JSON and left
// alone. A key that is written twice is read as Go reads it, since runc does:
// the later value stands, and objects are merged.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/json_splice.h"

namespace gpunode::oci {

/// A mount, as far as it matters here.
struct ContainerMount {
  std::string destination;
  std::string source;
};

/// A hook list: hooks.prestart and its like.
struct HookList {
  std::string name;
  text::JsonPlace place;
  std::vector<std::string> paths;  ///< Of each item of `place`.
};

/// A config.json that was read. Owns its text; spans point into it.
struct ContainerConfig {
  std::string file_name;  ///< For messages.
  std::string text;

  std::vector<std::string> args;
  std::vector<std::string> env;  ///< NAME=value
  std::string working_directory;
  std::vector<std::string> bounding_capabilities;
  std::vector<ContainerMount> mounts;
  std::map<std::string, std::string, std::less<>> annotations;
  std::vector<std::uint32_t> additional_gids;
  std::vector<std::string> device_paths;  ///< Of linux.devices.
  std::vector<HookList> hooks;
  std::string cgroups_path;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;

  // Items of a place and of the vector above have the same indices.
  text::JsonPlace root;
  text::JsonPlace process;
  text::JsonPlace env_place;
  text::JsonPlace user;
  text::JsonPlace gids_place;
  text::JsonPlace mounts_place;
  text::JsonPlace hooks_place;
  text::JsonPlace linux_place;
  text::JsonPlace devices_place;
  text::JsonPlace resources;
  text::JsonPlace rules_place;  ///< linux.resources.devices

  /// What a person should know: "config.json:3:5: \"env\" is written twice".
  std::vector<std::string> warnings;

  /// The value of the last `name=…` of env.
  std::optional<std::string_view> find_env(std::string_view name) const;
  std::optional<std::string_view> find_annotation(std::string_view key) const;
  /// CAP_SYS_ADMIN in the bounding set.
  bool is_privileged() const;
};

/// Decodes `text`. kCorrupt, with one line that says where, if it is not JSON
/// or if a member above has the wrong type.
Result<ContainerConfig> read_container_config(std::string text,
                                              std::string file_name);

}  // namespace gpunode::oci
