#include "container/oci/container_config.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_set>

#include <fmt/format.h>

namespace gpunode::oci {

using text::JsonKind;
using text::JsonPlace;
using text::JsonReader;

/// Walks config.json once, front to back.
class ContainerConfigReader {
 public:
  explicit ContainerConfigReader(ContainerConfig& config)
      : config_(config), reader_(config.text, config.file_name) {}

  Result<void> read() {
    TRY_VOID(
        read_object(config_.root, "", &ContainerConfigReader::root_member));
    return reader_.finish();
  }

 private:
  // Reads the value of one member that its object knows; false: it knows none
  // of that name and has read nothing.
  using Member = Result<bool> (ContainerConfigReader::*)(const std::string&);
  using Item = Result<void> (ContainerConfigReader::*)();

  static std::string named(std::string_view where, std::string_view words) {
    return where.empty() ? std::string(words)
                         : fmt::format("{}: {}", where, words);
  }

  /// Reads an object, or null in its stead, into `place`.
  Result<void> read_object(JsonPlace& place, std::string_view where,
                           Member member) {
    TRY(const bool is_null, begin_place(place, JsonKind::kObject, where));
    if (is_null) return {};
    TRY_VOID(reader_.enter_object());
    std::unordered_set<std::string> seen;
    for (;;) {
      TRY(const auto key, reader_.next_key());
      if (!key) break;
      TRY_VOID(reader_.kind());
      const std::size_t begin = reader_.position();
      TRY(const bool is_known, (this->*member)(*key));
      if (!is_known) {
        TRY_VOID(reader_.skip());
      } else if (!seen.insert(*key).second) {
        warn(begin, fmt::format("{} is written twice, the later value stands",
                                named(where, text::json_string(*key))));
      }
      place.items.push_back({begin, reader_.position()});
    }
    place.span.end = reader_.position();
    return {};
  }

  /// Reads an array, or null in its stead, into `place`.
  Result<void> read_array(JsonPlace& place, std::string_view where, Item item) {
    TRY(const bool is_null, begin_place(place, JsonKind::kArray, where));
    if (is_null) return {};
    TRY_VOID(reader_.enter_array());
    for (;;) {
      TRY(const bool has_item, reader_.next_item());
      if (!has_item) break;
      const std::size_t begin = reader_.position();
      TRY_VOID((this->*item)());
      place.items.push_back({begin, reader_.position()});
    }
    place.span.end = reader_.position();
    return {};
  }

  /// True if the value is null, which is then passed.
  Result<bool> begin_place(JsonPlace& place, JsonKind wanted,
                           std::string_view where) {
    TRY(const JsonKind found, reader_.kind());
    const bool is_repeated = std::exchange(place, {}).is_present();
    place.span.begin = reader_.position();
    if (found == JsonKind::kNull && is_repeated &&
        wanted == JsonKind::kObject) {
      // Go would forget what the first one held; nobody writes this in earnest.
      return reader_.fault(reader_.position(),
                           named(where, "written twice, the second as null"));
    }
    if (found == JsonKind::kNull) {
      TRY(place.span, reader_.skip());
      place.state = JsonPlace::State::kNull;
      return true;
    }
    if (found != wanted) {
      return reader_.fault(
          reader_.position(),
          named(where,
                wanted == JsonKind::kArray ? "not an array" : "not an object"));
    }
    place.state = wanted == JsonKind::kArray ? JsonPlace::State::kArray
                                             : JsonPlace::State::kObject;
    return false;
  }

  /// A string; null is the empty one, as in Go.
  Result<std::string> read_string() {
    TRY(const JsonKind found, reader_.kind());
    if (found != JsonKind::kNull) return reader_.string();
    TRY_VOID(reader_.skip());
    return std::string();
  }

  Result<std::uint32_t> read_id() {
    TRY(const JsonKind found, reader_.kind());
    if (found == JsonKind::kNull) {
      TRY_VOID(reader_.skip());
      return std::uint32_t{0};
    }
    const std::size_t begin = reader_.position();
    TRY(const std::size_t value, reader_.whole_number());
    if (value > std::numeric_limits<std::uint32_t>::max()) {
      return reader_.fault(begin, "not an id: too large");
    }
    return static_cast<std::uint32_t>(value);
  }

  Result<bool> root_member(const std::string& key) {
    if (key == "process") {
      TRY_VOID(read_object(config_.process, key,
                           &ContainerConfigReader::process_member));
    } else if (key == "mounts") {
      config_.mounts.clear();
      TRY_VOID(read_array(config_.mounts_place, key,
                          &ContainerConfigReader::mount_item));
    } else if (key == "hooks") {
      TRY_VOID(read_object(config_.hooks_place, key,
                           &ContainerConfigReader::hooks_member));
    } else if (key == "annotations") {
      JsonPlace place;
      TRY_VOID(
          read_object(place, key, &ContainerConfigReader::annotation_member));
    } else if (key == "linux") {
      TRY_VOID(read_object(config_.linux_place, key,
                           &ContainerConfigReader::linux_member));
    } else {
      return false;
    }
    return true;
  }

  Result<bool> process_member(const std::string& key) {
    if (key == "env") {
      config_.env.clear();
      TRY_VOID(read_array(config_.env_place, "process.env",
                          &ContainerConfigReader::env_item));
    } else if (key == "user") {
      TRY_VOID(read_object(config_.user, "process.user",
                           &ContainerConfigReader::user_member));
    } else if (key == "capabilities") {
      JsonPlace place;
      TRY_VOID(read_object(place, "process.capabilities",
                           &ContainerConfigReader::capabilities_member));
    } else if (key == "args") {
      config_.args.clear();
      JsonPlace place;
      TRY_VOID(
          read_array(place, "process.args", &ContainerConfigReader::arg_item));
    } else if (key == "cwd") {
      TRY(config_.working_directory, read_string());
    } else {
      return false;
    }
    return true;
  }

  Result<void> arg_item() {
    TRY(std::string argument, read_string());
    config_.args.push_back(std::move(argument));
    return {};
  }

  Result<void> env_item() {
    TRY(std::string entry, read_string());
    config_.env.push_back(std::move(entry));
    return {};
  }

  Result<bool> user_member(const std::string& key) {
    if (key == "uid") {
      TRY(config_.uid, read_id());
    } else if (key == "gid") {
      TRY(config_.gid, read_id());
    } else if (key == "additionalGids") {
      config_.additional_gids.clear();
      TRY_VOID(read_array(config_.gids_place, "process.user.additionalGids",
                          &ContainerConfigReader::gid_item));
    } else {
      return false;
    }
    return true;
  }

  Result<void> gid_item() {
    TRY(const std::uint32_t gid, read_id());
    config_.additional_gids.push_back(gid);
    return {};
  }

  Result<bool> capabilities_member(const std::string& key) {
    if (key != "bounding") return false;
    config_.bounding_capabilities.clear();
    JsonPlace place;
    TRY_VOID(read_array(place, "process.capabilities.bounding",
                        &ContainerConfigReader::capability_item));
    return true;
  }

  Result<void> capability_item() {
    TRY(std::string name, read_string());
    config_.bounding_capabilities.push_back(std::move(name));
    return {};
  }

  Result<void> mount_item() {
    config_.mounts.emplace_back();
    JsonPlace place;
    return read_object(place, "mounts", &ContainerConfigReader::mount_member);
  }

  Result<bool> mount_member(const std::string& key) {
    if (key == "destination") {
      TRY(config_.mounts.back().destination, read_string());
    } else if (key == "source") {
      TRY(config_.mounts.back().source, read_string());
    } else {
      return false;
    }
    return true;
  }

  Result<bool> annotation_member(const std::string& key) {
    TRY(std::string value, read_string());
    config_.annotations.insert_or_assign(key, std::move(value));
    return true;
  }

  Result<bool> hooks_member(const std::string& key) {
    constexpr std::array<std::string_view, 6> kStages = {
        "prestart",       "createRuntime", "createContainer",
        "startContainer", "poststart",     "poststop"};
    if (std::find(kStages.begin(), kStages.end(), key) == kStages.end()) {
      return false;
    }
    std::erase_if(config_.hooks,
                  [&](const HookList& list) { return list.name == key; });
    config_.hooks.push_back({key, {}, {}});
    JsonPlace place;
    TRY_VOID(
        read_array(place, "hooks." + key, &ContainerConfigReader::hook_item));
    config_.hooks.back().place = std::move(place);
    return true;
  }

  Result<void> hook_item() {
    config_.hooks.back().paths.emplace_back();
    JsonPlace place;
    return read_object(place, "hooks." + config_.hooks.back().name,
                       &ContainerConfigReader::hook_member);
  }

  Result<bool> hook_member(const std::string& key) {
    if (key != "path") return false;
    TRY(config_.hooks.back().paths.back(), read_string());
    return true;
  }

  Result<bool> linux_member(const std::string& key) {
    if (key == "devices") {
      config_.device_paths.clear();
      TRY_VOID(read_array(config_.devices_place, "linux.devices",
                          &ContainerConfigReader::device_item));
    } else if (key == "resources") {
      TRY_VOID(read_object(config_.resources, "linux.resources",
                           &ContainerConfigReader::resources_member));
    } else if (key == "cgroupsPath") {
      TRY(config_.cgroups_path, read_string());
    } else {
      return false;
    }
    return true;
  }

  Result<void> device_item() {
    config_.device_paths.emplace_back();
    JsonPlace place;
    return read_object(place, "linux.devices",
                       &ContainerConfigReader::device_member);
  }

  Result<bool> device_member(const std::string& key) {
    if (key != "path") return false;
    TRY(config_.device_paths.back(), read_string());
    return true;
  }

  Result<bool> resources_member(const std::string& key) {
    if (key != "devices") return false;
    TRY_VOID(read_array(config_.rules_place, "linux.resources.devices",
                        &ContainerConfigReader::rule_item));
    return true;
  }

  Result<void> rule_item() {
    TRY_VOID(reader_.skip());
    return {};
  }

  void warn(std::size_t position, std::string_view words) {
    constexpr std::size_t kMaxWarnings = 10;
    if (config_.warnings.size() < kMaxWarnings) {
      config_.warnings.push_back(reader_.fault(position, words).message());
    }
  }

  ContainerConfig& config_;
  JsonReader reader_;
};

Result<ContainerConfig> read_container_config(std::string text,
                                              std::string file_name) {
  ContainerConfig config;
  config.text = std::move(text);
  config.file_name = std::move(file_name);
  TRY_VOID(ContainerConfigReader(config).read());
  return config;
}

std::optional<std::string_view> ContainerConfig::find_env(
    std::string_view name) const {
  const auto found =
      std::find_if(env.rbegin(), env.rend(), [&](std::string_view variable) {
        return variable.starts_with(name) && variable.size() > name.size() &&
               variable[name.size()] == '=';
      });
  if (found == env.rend()) return std::nullopt;
  return std::string_view(*found).substr(name.size() + 1);
}

std::optional<std::string_view> ContainerConfig::find_annotation(
    std::string_view key) const {
  const auto found = annotations.find(key);
  if (found == annotations.end()) return std::nullopt;
  return found->second;
}

bool ContainerConfig::is_privileged() const {
  return std::find(bounding_capabilities.begin(), bounding_capabilities.end(),
                   "CAP_SYS_ADMIN") != bounding_capabilities.end();
}

}  // namespace gpunode::oci
