#include "container/cdi/registry.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "container/cdi/names.h"
#include "container/cdi/spec_reader.h"
#include "container/cdi/tokens.h"

namespace gpunode::cdi {
namespace {

template <class T>
void append_list(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

void append(ContainerEdits& to, const ContainerEdits& from) {
  append_list(to.env, from.env);
  append_list(to.device_nodes, from.device_nodes);
  append_list(to.mounts, from.mounts);
  append_list(to.hooks, from.hooks);
  append_list(to.additional_gids, from.additional_gids);
}

Registry Registry::load(const host::HostRoot& host,
                        std::span<const std::string> directories) {
  Registry registry;
  registry.directories_.assign(directories.begin(), directories.end());
  for (std::size_t i = 0; i < directories.size(); ++i) {
    registry.load_directory(host, directories[i], i);
  }
  for (const auto& [name, place] : registry.devices_) {
    if (place.conflict.empty()) continue;
    registry.problems_.push_back(fmt::format("{}: {}", name, place.conflict));
  }
  return registry;
}

void Registry::load_directory(const host::HostRoot& host,
                              const std::string& directory,
                              std::size_t number) {
  const auto names = host.list_directory(directory);
  if (!names) {
    if (names.error().code() != ErrorCode::kNotFound) {
      problems_.push_back(names.error().message());
    }
    return;
  }
  for (const std::string& name : *names) {
    const std::string path = fmt::format("{}/{}", directory, name);
    const bool is_hidden = name.starts_with('.');
    if (!is_hidden && name.ends_with(".yml")) {
      problems_.push_back(path + ": not read; CDI specs end in .yaml or .json");
    }
    if (is_hidden || !(name.ends_with(".json") || name.ends_with(".yaml"))) {
      continue;
    }
    const auto text = host.read_file(path, kSpecBytes);
    if (!text) {
      problems_.push_back(text.error().message());
      continue;
    }
    auto spec = read_spec(*text, path);
    if (!spec) {
      problems_.push_back(spec.error().message());
      continue;
    }
    add({path, *std::move(spec)}, number);
  }
}

void Registry::add(Loaded loaded, std::size_t directory) {
  const std::size_t index = specs_.size();
  for (std::size_t i = 0; i < loaded.spec.devices.size(); ++i) {
    const std::string name =
        loaded.spec.kind + "=" + loaded.spec.devices[i].name;
    const auto [found, is_new] =
        devices_.try_emplace(name, Place{directory, index, i, ""});
    if (is_new) continue;
    Place& place = found->second;
    if (place.directory != directory) {
      place = {directory, index, i, ""};
    } else {
      place.conflict = fmt::format("both {} and {} have it",
                                   specs_[place.spec].path, loaded.path);
    }
  }
  specs_.push_back(std::move(loaded));
}

std::vector<Registry::Listed> Registry::devices() const {
  std::vector<Listed> listed;
  for (const auto& [name, place] : devices_) {
    if (!place.conflict.empty()) continue;
    listed.push_back({name, specs_[place.spec].path});
  }
  return listed;
}

std::vector<std::string> Registry::device_names() const {
  std::vector<std::string> names;
  for (Listed& listed : devices()) names.push_back(std::move(listed.name));
  return names;
}

std::string Registry::why_not(std::string_view name) const {
  const auto found = devices_.find(name);
  if (found != devices_.end()) return found->second.conflict;
  const auto qualified = parse_qualified_name(name);
  if (!qualified) return qualified.error().message();
  std::vector<std::string> others;
  for (const Loaded& loaded : specs_) {
    if (loaded.spec.kind != qualified->kind()) continue;
    for (const Device& device : loaded.spec.devices) {
      others.push_back(device.name);
    }
  }
  // Long lists help nobody.
  constexpr std::size_t kShown = 8;
  if (!others.empty()) {
    const std::size_t count = others.size();
    if (count > kShown) {
      others.resize(kShown);
      others.push_back(fmt::format("and {} more", count - kShown));
    }
    return fmt::format("{} has {}", qualified->kind(), joined(others));
  }
  std::string text = fmt::format("no spec of {} in {}", qualified->kind(),
                                 joined(directories_));
  if (!problems_.empty()) {
    text += fmt::format("; {}", problems_.front());
    if (problems_.size() > 1) {
      text += fmt::format(" and {} more problems", problems_.size() - 1);
    }
  }
  return text;
}

Result<ContainerEdits> Registry::resolve(
    std::span<const std::string> names) const {
  ContainerEdits edits;
  std::set<std::size_t> specs_in;
  std::set<std::string_view> names_in;
  std::vector<std::string> missing;
  std::vector<std::string> reasons;
  for (const std::string& name : names) {
    if (!names_in.insert(name).second) continue;
    const auto found = devices_.find(name);
    if (found == devices_.end() || !found->second.conflict.empty()) {
      missing.push_back(name);
      const std::string why = why_not(name);
      if (std::ranges::find(reasons, why) == reasons.end()) {
        reasons.push_back(why);
      }
      continue;
    }
    const Place& place = found->second;
    const Spec& spec = specs_[place.spec].spec;
    if (specs_in.insert(place.spec).second) append(edits, spec.edits);
    append(edits, spec.devices[place.device].edits);
  }
  if (missing.empty()) return edits;
  return Error(ErrorCode::kNotFound,
               fmt::format("unresolvable CDI devices {} ({})", joined(missing),
                           fmt::join(reasons, "; ")));
}

}  // namespace gpunode::cdi
