#include "container/hook/image_view.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <filesystem>
#include <optional>
#include <utility>

namespace gpunode::hook {
namespace {

// As Linux has it (MAXSYMLINKS), and what a path may grow to by them.
constexpr unsigned kMostLinks = 40;
constexpr std::size_t kMostNames = 4096;

/// Appends the names of `path`, the last one first.
void push_names(std::string_view path, std::vector<std::string>& names) {
  while (!path.empty()) {
    const std::size_t slash = path.rfind('/');
    const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
    const std::string_view name = path.substr(begin);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path = path.substr(0, begin == 0 ? 0 : begin - 1);
  }
}

void go_up(std::string& path) {
  if (!path.empty()) path.resize(path.rfind('/'));
}

/// The text of the link that `fd` stands for; nothing if it is none.
std::optional<std::string> link_text(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISLNK(status.st_mode)) return {};
  std::array<char, PATH_MAX> text{};
  const ssize_t size = ::readlinkat(fd, "", text.data(), text.size());
  if (size <= 0) return {};
  return std::string(text.data(), static_cast<std::size_t>(size));
}

}  // namespace

std::string clean_destination(std::string_view destination) {
  std::string path = std::filesystem::path("/" + std::string(destination))
                         .lexically_normal()
                         .string();
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

bool lies_in(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

ImageView::ImageView(const host::RootDirectory& root,
                     const std::vector<std::string>& volumes)
    : root_(root) {
  std::vector<std::string> resolved;
  for (const std::string& volume : volumes) {
    // The engines take ".." as text, and follow links then.
    resolved.push_back(locate(clean_destination(volume)).path);
  }
  volumes_ = std::move(resolved);
}

bool ImageView::is_volumes(std::string_view path) const {
  return std::ranges::any_of(volumes_, [&](const std::string& volume) {
    return lies_in(path, volume);
  });
}

ImageView::Place ImageView::locate(std::string_view path) const {
  using Where = Place::Where;
  std::vector<std::string> names;
  push_names(path, names);
  std::string at;  // Of the root: empty.
  bool is_there = true;
  unsigned links = 0;
  while (!names.empty()) {
    const std::string name = std::move(names.back());
    names.pop_back();
    if (name == "..") {
      go_up(at);
      continue;
    }
    std::string next = at;
    next.append("/").append(name);
    if (is_volumes(next)) return {Where::kVolume, std::move(next)};
    const auto file = root_.open_path(next, O_PATH | O_NOFOLLOW);
    is_there = is_there && file;
    const auto link = file ? link_text(file->get()) : std::nullopt;
    if (!link) {
      at = std::move(next);
      continue;
    }
    if (++links > kMostLinks || names.size() > kMostNames) return {};
    if (link->starts_with('/')) at.clear();
    push_names(*link, names);
  }
  if (at.empty()) at = "/";
  return {is_there ? Where::kImage : Where::kNowhere, std::move(at)};
}

}  // namespace gpunode::hook
