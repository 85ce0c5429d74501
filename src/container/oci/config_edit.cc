#include "container/oci/config_edit.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace gpunode::oci {
namespace {

using text::json_string;
using text::JsonPlace;
using Members = std::vector<std::pair<std::string_view, std::string>>;
using Items = std::vector<std::string>;

std::string json_strings(const std::vector<std::string>& values) {
  Items items;
  for (const std::string& value : values) items.push_back(json_string(value));
  return text::json_array(items);
}

std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

std::string mount_json(const cdi::Mount& mount) {
  Members members = {{"destination", json_string(mount.container_path)}};
  if (!mount.type.empty())
    members.emplace_back("type", json_string(mount.type));
  members.emplace_back("source", json_string(mount.host_path));
  if (!mount.options.empty()) {
    members.emplace_back("options", json_strings(mount.options));
  }
  return text::json_object(members);
}

std::string device_json(const cdi::DeviceNode& node, std::uint32_t user,
                        std::uint32_t group) {
  Members members = {{"path", json_string(node.path)},
                     {"type", json_string(node.type)}};
  const auto add = [&](std::string_view key, auto value) {
    members.emplace_back(key, std::to_string(value));
  };
  if (node.type != "p") {
    add("major", node.major.value_or(0));
    add("minor", node.minor.value_or(0));
  }
  if (node.file_mode) add("fileMode", *node.file_mode);
  if (node.uid) {
    add("uid", *node.uid);
  } else if (user != 0) {
    add("uid", user);
  }
  if (node.gid) {
    add("gid", *node.gid);
  } else if (group != 0) {
    add("gid", group);
  }
  return text::json_object(members);
}

std::string rule_json(const cdi::DeviceNode& node) {
  return text::json_object(
      {{"allow", "true"},
       {"type", json_string(node.type)},
       {"major", std::to_string(node.major.value_or(0))},
       {"minor", std::to_string(node.minor.value_or(0))},
       {"access",
        json_string(node.permissions.empty() ? "rwm" : node.permissions)}});
}

std::string hook_json(const cdi::Hook& hook) {
  Members members = {{"path", json_string(hook.path)}};
  if (!hook.args.empty()) members.emplace_back("args", json_strings(hook.args));
  if (!hook.env.empty()) members.emplace_back("env", json_strings(hook.env));
  if (hook.timeout_seconds) {
    members.emplace_back("timeout", std::to_string(*hook.timeout_seconds));
  }
  return text::json_object(members);
}

/// Values of which the last of a name counts, in the order in which names
/// first came.
template <class Value>
class LastOfName {
 public:
  void add(std::string_view name, const Value& value) {
    const auto [found, is_new] = index_.try_emplace(name, values_.size());
    if (is_new) {
      values_.push_back(&value);
    } else {
      values_[found->second] = &value;
    }
  }
  bool has(std::string_view name) const { return index_.contains(name); }
  const Value* find(std::string_view name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : values_[found->second];
  }
  const std::vector<const Value*>& values() const { return values_; }

 private:
  std::vector<const Value*> values_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

class ConfigEditor {
 public:
  explicit ConfigEditor(const ContainerConfig& config) : config_(config) {}

  std::optional<std::string> edit(std::span<const cdi::ContainerEdits> edits,
                                  LegacyHook legacy_hook) {
    edit_process(edits);
    edit_mounts(edits);
    edit_hooks(edits, legacy_hook);
    edit_linux(edits);
    edit_object(config_.process, process_, root_, "process");
    if (!root_.empty()) splice_.add_members(config_.root, root_);
    if (splice_.is_empty()) return std::nullopt;
    return std::move(splice_).apply(config_.text);
  }

 private:
  /// Adds items to an array, or the array to its parent's new members.
  void append(const JsonPlace& place, const Items& items, Members& parent,
              std::string_view key) {
    if (items.empty()) return;
    if (place.state == JsonPlace::State::kAbsent) {
      parent.emplace_back(key, text::json_array(items));
    } else {
      splice_.append_items(place, items);
    }
  }

  void edit_object(const JsonPlace& place, const Members& members,
                   Members& parent, std::string_view key) {
    if (members.empty()) return;
    if (place.state == JsonPlace::State::kAbsent) {
      parent.emplace_back(key, text::json_object(members));
    } else {
      splice_.add_members(place, members);
    }
  }

  /// As append(), but without the old items whose index `is_dropped`.
  template <class IsDropped>
  void exchange(const JsonPlace& place, IsDropped is_dropped,
                const Items& items, Members& parent, std::string_view key) {
    std::vector<std::string_view> kept;
    for (std::size_t i = 0; i < place.items.size(); ++i) {
      if (!is_dropped(i)) kept.push_back(place.items[i].of(config_.text));
    }
    if (kept.size() == place.items.size()) {
      append(place, items, parent, key);
      return;
    }
    kept.insert(kept.end(), items.begin(), items.end());
    splice_.replace_items(place, kept);
  }

  void edit_process(std::span<const cdi::ContainerEdits> edits) {
    edit_env(edits);
    Items gids;
    std::unordered_set<std::uint32_t> known(config_.additional_gids.begin(),
                                            config_.additional_gids.end());
    for (const cdi::ContainerEdits& edit : edits) {
      for (const std::uint32_t gid : edit.additional_gids) {
        // 0 would make the container's processes members of root's group.
        if (gid != 0 && known.insert(gid).second) {
          gids.push_back(std::to_string(gid));
        }
      }
    }
    Members user;
    append(config_.gids_place, gids, user, "additionalGids");
    edit_object(config_.user, user, process_, "user");
  }

  void edit_env(std::span<const cdi::ContainerEdits> edits) {
    LastOfName<std::string> wanted;
    for (const cdi::ContainerEdits& edit : edits) {
      for (const std::string& variable : edit.env) {
        wanted.add(name_of(variable), variable);
      }
    }
    // The first of a name is replaced where it stands, others of it go.
    std::unordered_set<std::string_view> placed;
    std::vector<std::string> storage;
    std::vector<std::string_view> all;
    storage.reserve(config_.env.size());
    bool has_dropped = false;
    for (std::size_t i = 0; i < config_.env.size(); ++i) {
      const std::string_view name = name_of(config_.env[i]);
      const std::string* replacement = wanted.find(name);
      if (replacement == nullptr) {
        all.push_back(config_.env_place.items[i].of(config_.text));
      } else if (placed.insert(name).second) {
        all.push_back(storage.emplace_back(json_string(*replacement)));
      } else {
        has_dropped = true;
      }
    }
    Items added;
    for (const std::string* variable : wanted.values()) {
      if (!placed.contains(name_of(*variable))) {
        added.push_back(json_string(*variable));
      }
    }
    if (has_dropped) {
      all.insert(all.end(), added.begin(), added.end());
      splice_.replace_items(config_.env_place, all);
      return;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const text::JsonSpan span = config_.env_place.items[i];
      if (all[i] != span.of(config_.text)) {
        splice_.replace(span, std::string(all[i]));
      }
    }
    append(config_.env_place, added, process_, "env");
  }

  void edit_mounts(std::span<const cdi::ContainerEdits> edits) {
    LastOfName<cdi::Mount> wanted;
    for (const cdi::ContainerEdits& edit : edits) {
      for (const cdi::Mount& mount : edit.mounts) {
        wanted.add(mount.container_path, mount);
      }
    }
    if (wanted.values().empty()) return;
    struct Ordered {
      std::size_t depth;
      std::string_view text;
    };
    std::vector<Ordered> all;
    for (std::size_t i = 0; i < config_.mounts.size(); ++i) {
      const std::string& destination = config_.mounts[i].destination;
      if (wanted.has(destination)) continue;
      all.push_back({path_depth(destination),
                     config_.mounts_place.items[i].of(config_.text)});
    }
    const std::size_t kept = all.size();
    Items added;
    added.reserve(wanted.values().size());
    for (const cdi::Mount* mount : wanted.values()) {
      all.push_back({path_depth(mount->container_path),
                     added.emplace_back(mount_json(*mount))});
    }
    const auto is_before = [](const Ordered& a, const Ordered& b) {
      return a.depth < b.depth;
    };
    if (kept == config_.mounts.size() &&
        std::is_sorted(all.begin(), all.end(), is_before)) {
      append(config_.mounts_place, added, root_, "mounts");
      return;
    }
    std::stable_sort(all.begin(), all.end(), is_before);
    std::vector<std::string_view> texts;
    texts.reserve(all.size());
    for (const Ordered& mount : all) texts.push_back(mount.text);
    if (config_.mounts_place.state == JsonPlace::State::kAbsent) {
      root_.emplace_back("mounts",
                         text::json_array(Items(texts.begin(), texts.end())));
    } else {
      splice_.replace_items(config_.mounts_place, texts);
    }
  }

  void edit_hooks(std::span<const cdi::ContainerEdits> edits,
                  LegacyHook legacy_hook) {
    std::vector<std::pair<std::string_view, Items>> stages;
    const auto items_of = [&](std::string_view stage) -> Items& {
      for (auto& [name, items] : stages) {
        if (name == stage) return items;
      }
      return stages.emplace_back(stage, Items()).second;
    };
    if (legacy_hook == LegacyHook::kRemove) items_of("prestart");
    for (const cdi::ContainerEdits& edit : edits) {
      for (const cdi::Hook& hook : edit.hooks) {
        items_of(hook.name).push_back(hook_json(hook));
      }
    }
    Members members;
    const HookList none;
    for (const auto& [stage, items] : stages) {
      const auto found =
          std::find_if(config_.hooks.begin(), config_.hooks.end(),
                       [&, name = stage](const HookList& list) {
                         return list.name == name;
                       });
      const HookList& list = found == config_.hooks.end() ? none : *found;
      exchange(
          list.place,
          [&](std::size_t i) {
            return legacy_hook == LegacyHook::kRemove &&
                   list.name == "prestart" && is_legacy_hook(list.paths[i]);
          },
          items, members, stage);
    }
    edit_object(config_.hooks_place, members, root_, "hooks");
  }

  void edit_linux(std::span<const cdi::ContainerEdits> edits) {
    LastOfName<cdi::DeviceNode> wanted;
    for (const cdi::ContainerEdits& edit : edits) {
      for (const cdi::DeviceNode& node : edit.device_nodes) {
        wanted.add(node.path, node);
      }
    }
    Items devices;
    Items rules;
    for (const cdi::DeviceNode* node : wanted.values()) {
      devices.push_back(device_json(*node, config_.uid, config_.gid));
      if (node->type == "c" || node->type == "b") {
        rules.push_back(rule_json(*node));
      }
    }
    Members linux_members;
    exchange(
        config_.devices_place,
        [&](std::size_t i) { return wanted.has(config_.device_paths[i]); },
        devices, linux_members, "devices");
    Members resources;
    append(config_.rules_place, rules, resources, "devices");
    edit_object(config_.resources, resources, linux_members, "resources");
    edit_object(config_.linux_place, linux_members, root_, "linux");
  }

  const ContainerConfig& config_;
  text::JsonSplice splice_;
  Members root_;     ///< New members of the document itself.
  Members process_;  ///< New members of process.
};

}  // namespace

std::optional<std::string> edit_config(
    const ContainerConfig& config, std::span<const cdi::ContainerEdits> edits,
    LegacyHook legacy_hook) {
  return ConfigEditor(config).edit(edits, legacy_hook);
}

bool is_legacy_hook(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name == "nvidia-container-runtime-hook" ||
         name == "nvidia-container-toolkit";
}

std::size_t path_depth(std::string_view path) {
  std::size_t depth = 0;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view component = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (component == "..") {
      if (depth > 0) --depth;
    } else if (!component.empty() && component != ".") {
      ++depth;
    }
  }
  return depth;
}

}  // namespace gpunode::oci
