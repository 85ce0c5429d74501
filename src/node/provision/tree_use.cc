#include "node/provision/tree_use.h"

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

bool is_below(std::string_view name, std::string_view path) {
  return name.size() > path.size() && name.starts_with(path) &&
         name[path.size()] == '/';
}

bool is_at_or_below(std::string_view name, std::string_view path) {
  return name == path || is_below(name, path);
}

/// Takes what is before `end` off `text`.
std::string_view take_until(char end, std::string_view& text) {
  const std::size_t at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text = at == std::string_view::npos ? "" : text.substr(at + 1);
  return taken;
}

bool names_directories(std::string_view option) {
  // "+": one layer each, as of Linux 6.5.
  return option == "lowerdir" || option == "lowerdir+" ||
         option == "datadir+" || option == "upperdir" || option == "workdir";
}

/// The table's escapes are resolved, so a comma or colon of a name looks like
/// the end of one: that can only make the answer yes.
bool has_layer_below(const host::Mount& overlay, std::string_view path) {
  bool has_absolute = false;
  bool has_relative = false;
  std::string_view options = overlay.super_options;
  while (!options.empty()) {
    std::string_view directories = take_until(',', options);
    if (!names_directories(take_until('=', directories))) continue;
    while (!directories.empty()) {
      const std::string_view directory = take_until(':', directories);
      if (directory.empty()) continue;
      if (is_at_or_below(directory, path)) return true;
      (directory.front() == '/' ? has_absolute : has_relative) = true;
    }
  }
  return has_relative && !has_absolute;
}

/// Where `path` is within the file system that it is on.
std::string inner_path(const host::Mount& of, std::string_view path) {
  std::string inner = of.root == "/" ? "" : of.root;
  path.remove_prefix(of.mount_point == "/" ? 0 : of.mount_point.size());
  return inner.append(path);
}

}  // namespace

std::string use_of_tree(const std::vector<host::Mount>& mounts,
                        std::string_view path) {
  const host::Mount* home = host::mount_of(mounts, path);
  // Of a mount point of its own every part is mounted there anyway.
  if (home != nullptr && home->mount_point == path) home = nullptr;
  const std::string inner = home == nullptr ? "" : inner_path(*home, path);
  for (const host::Mount& mount : mounts) {
    if (is_below(mount.mount_point, path)) {
      return fmt::format("{} is mounted, so containers run on {}",
                         mount.mount_point, path);
    }
    if (mount.type == "overlay" && has_layer_below(mount, path)) {
      return fmt::format(
          "{} is mounted and has its layers in {}: a container that runs, with "
          "or without its runtime",
          mount.mount_point, path);
    }
    if (home != nullptr && mount.device == home->device &&
        is_at_or_below(mount.root, inner)) {
      return fmt::format("{} is mounted and is a part of {}", mount.mount_point,
                         path);
    }
  }
  return "";
}

}  // namespace gpunode::provision
