#include "base/host/directory_maker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

namespace gpunode::host {
namespace {

// How many links to missing directories one path may lead through.
constexpr int kMaxDanglingLinks = 8;

}  // namespace

std::vector<std::string> path_components(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    if (name == "..") {
      if (!names.empty()) names.pop_back();
    } else if (!name.empty() && name != ".") {
      names.emplace_back(name);
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return names;
}

std::string joined_path(const std::vector<std::string>& names) {
  std::string path;
  for (const std::string& name : names) path += "/" + name;
  return path.empty() ? "/" : path;
}

std::optional<std::string> link_text(int directory, const std::string& name) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size =
      ::readlinkat(directory, name.c_str(), text.data(), text.size());
  if (size < 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

int DirectoryMaker::run(const std::vector<std::string>& names) {
  std::vector<std::string> so_far;
  OpenOutcome parent = open({});
  for (const std::string& name : names) {
    if (!parent.fd) return parent.error;
    so_far.push_back(name);
    OpenOutcome next = open(so_far);
    if (next.error == ENOENT) {
      if (const int error = make(parent.fd.get(), so_far); error != 0) {
        return error;
      }
      next = open(so_far);
    }
    parent = std::move(next);
  }
  result_ = std::move(parent.fd);
  return parent.error;
}

OpenOutcome DirectoryMaker::open(const std::vector<std::string>& names) const {
  return open_in_root(root_, joined_path(names), O_PATH | O_DIRECTORY);
}

int DirectoryMaker::make(int parent, const std::vector<std::string>& path) {
  const std::string& name = path.back();
  if (::mkdirat(parent, name.c_str(), 0755) == 0) return 0;
  if (errno != EEXIST) return errno;
  // Either another made it, or it is a link to what is not there.
  const auto target = link_text(parent, name);
  if (!target) return 0;
  if (++links_ > kMaxDanglingLinks) return ELOOP;
  std::string place = *target;
  if (!place.starts_with('/')) {
    place = joined_path({path.begin(), path.end() - 1}) + "/" + place;
  }
  return run(path_components(place));
}

}  // namespace gpunode::host
