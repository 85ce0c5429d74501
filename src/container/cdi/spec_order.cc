#include "container/cdi/spec_order.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "container/cdi/spec_version.h"

namespace gpunode::cdi {
namespace {

using Place = std::pair<std::ptrdiff_t, std::string_view>;

Place place_of(std::string_view path) {
  return {std::ranges::count(path, '/'), path};
}

/// Keeps the first of equals; the order stays.
template <class T>
void drop_repeated(std::vector<T>& list) {
  std::vector<T> kept;
  for (T& value : list) {
    if (std::ranges::find(kept, value) == kept.end()) {
      kept.push_back(std::move(value));
    }
  }
  list = std::move(kept);
}

/// The same for a sorted list, where equals are neighbours.
template <class T>
void drop_neighbours(std::vector<T>& list) {
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

template <class T>
void drop_common(std::vector<T>& list, const std::vector<T>& common) {
  std::erase_if(list, [&common](const T& value) {
    return std::ranges::find(common, value) != common.end();
  });
}

/// `edits` without what `common` gives.
ContainerEdits without(ContainerEdits edits, const ContainerEdits& common) {
  drop_common(edits.env, common.env);
  drop_common(edits.device_nodes, common.device_nodes);
  drop_common(edits.mounts, common.mounts);
  drop_common(edits.hooks, common.hooks);
  drop_common(edits.additional_gids, common.additional_gids);
  return edits;
}

class RootMove {
 public:
  explicit RootMove(RootChange change) : change_(std::move(change)) {
    while (change_.from.size() > 1 && change_.from.ends_with('/')) {
      change_.from.pop_back();
    }
    while (change_.to.ends_with('/')) change_.to.pop_back();
  }

  void apply(ContainerEdits& edits) const {
    for (DeviceNode& node : edits.device_nodes) move_node(node);
    for (Mount& mount : edits.mounts) {
      move(change_.is_of_container ? mount.container_path : mount.host_path);
    }
    if (!change_.is_of_container) return;
    for (Hook& hook : edits.hooks) {
      for (std::string& argument : hook.args) move_argument(argument);
    }
  }

 private:
  void move(std::string& path) const {
    if (change_.from == "/") {
      if (path.starts_with('/')) path.insert(0, change_.to);
      return;
    }
    if (!path.starts_with(change_.from)) return;
    const bool is_whole = path.size() == change_.from.size();
    if (!is_whole && path[change_.from.size()] != '/') return;
    path.replace(0, change_.from.size(), change_.to);
    if (path.empty()) path = "/";
  }

  void move_node(DeviceNode& node) const {
    std::string host_path = node.host_path.empty() ? node.path : node.host_path;
    if (change_.is_of_container) {
      move(node.path);
    } else {
      move(host_path);
    }
    node.host_path = host_path == node.path ? "" : host_path;
  }

  // A path, or "target::path" of a link, whose target may be absolute too.
  void move_argument(std::string& argument) const {
    const std::size_t colons = argument.find("::");
    if (colons == std::string::npos) {
      move(argument);
      return;
    }
    std::string target = argument.substr(0, colons);
    std::string path = argument.substr(colons + 2);
    move(target);
    move(path);
    argument = target + "::" + path;
  }

  RootChange change_;
};

}  // namespace

void tidy(ContainerEdits& edits) {
  std::ranges::stable_sort(edits.device_nodes, {}, [](const DeviceNode& node) {
    return place_of(node.path);
  });
  std::ranges::stable_sort(edits.mounts, {}, [](const Mount& mount) {
    return place_of(mount.container_path);
  });
  drop_repeated(edits.env);
  drop_neighbours(edits.device_nodes);
  drop_neighbours(edits.mounts);
  drop_repeated(edits.hooks);
  std::ranges::sort(edits.additional_gids);
  drop_neighbours(edits.additional_gids);
}

void tidy(Spec& spec) {
  tidy(spec.edits);
  for (Device& device : spec.devices) {
    ContainerEdits rest = without(device.edits, spec.edits);
    if (!rest.is_empty()) device.edits = std::move(rest);
    tidy(device.edits);
  }
  std::ranges::stable_sort(spec.devices, {}, &Device::name);
  spec.version = needed_version(spec).version.text();
}

void change_root(Spec& spec, const RootChange& change) {
  const RootMove move(change);
  move.apply(spec.edits);
  for (Device& device : spec.devices) move.apply(device.edits);
  tidy(spec);
}

}  // namespace gpunode::cdi
