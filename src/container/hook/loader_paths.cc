#include "container/hook/loader_paths.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "container/hook/bound_file.h"
#include "container/hook/library_directory.h"
#include "container/hook/loader_cache.h"
#include "container/hook/loader_config.h"
#include "container/hook/musl_path.h"

namespace gpunode::hook {
namespace {

constexpr const char* kCachePath = "/etc/ld.so.cache";
constexpr const char* kConfigPath = "/etc/ld.so.conf";
constexpr std::string_view kDefaultConfig =
    "include /etc/ld.so.conf.d/*.conf\n";
// Names that never change, so that a container started a hundred times has one
// of each; "00" so that they are read before the image's own. '-' sorts before
// '.', the compat folder before the others.
constexpr std::string_view kFoldersConfig = "/etc/ld.so.conf.d/00-gpunode.conf";
constexpr std::string_view kCompatConfig =
    "/etc/ld.so.conf.d/00-gpunode-compat.conf";
constexpr std::string_view kMark =
    "# Written by gpunode when the container starts.\n";
constexpr std::size_t kMaxConfigBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxHwcapsNames = 64;
// A large image has a few thousand. The cache may come to lie in the host's
// /run (bound_file.h), so no image decides how large it gets: 65,000 links to
// one library, in a directory with a long name, would be 230 MB of it.
constexpr std::size_t kMaxEntries = 16384;
constexpr std::size_t kMaxEntryBytes = std::size_t{4} << 20;

constexpr std::array kLoaders = {
    "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux.so.2",          "/lib/ld-linux-armhf.so.3",
    "/libx32/ld-linux-x32.so.2",   "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
};

bool is_ours(std::string_view path) {
  return path == kFoldersConfig || path == kCompatConfig;
}

std::optional<FileId> directory_id(const host::RootDirectory& root,
                                   const std::string& path) {
  const auto fd = root.open_path(path, O_PATH | O_DIRECTORY);
  struct stat status {};
  if (!fd || ::fstat(fd->get(), &status) != 0) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

/// A folder as a line of ld.so.conf: what would be read as anything else, or
/// as more than one line, is refused.
Result<std::string> config_line(std::string folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  const bool is_plain = std::all_of(folder.begin(), folder.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '#' &&
           c != '=' && c != ':';
  });
  if (folder.size() < 2 || folder.front() != '/' || folder.back() == ' ' ||
      !is_plain) {
    return Error(ErrorCode::kInvalidArgument,
                 "folder " + host::printable(folder) +
                     ": not the absolute path of a directory of libraries");
  }
  return folder;
}

/// Directories in the order of search, each once, as ldconfig takes them.
class SearchPath {
 public:
  explicit SearchPath(const host::RootDirectory& root) : root_(root) {}

  /// Adds `path` if it is a directory that is not there yet.
  void add(const std::string& path) {
    const auto id = directory_id(root_, path);
    if (id && seen_.insert(*id).second) directories_.push_back(path);
  }

  bool has(const std::string& path) const {
    const auto id = directory_id(root_, path);
    return id && seen_.count(*id) != 0;
  }

  const std::vector<std::string>& directories() const { return directories_; }

 private:
  const host::RootDirectory& root_;
  std::set<FileId> seen_;
  std::vector<std::string> directories_;
};

/// One pass over a glibc root.
class CacheUpdate {
 public:
  CacheUpdate(const host::RootDirectory& root, const LoaderPaths& paths)
      : root_(root), paths_(paths), scanner_(root) {}

  Result<std::vector<std::string>> run() {
    LoaderConfig config = read_loader_config(root_, is_ours);
    warnings_ = std::move(config.warnings);
    const std::vector<std::string> system = system_directories(root_);
    SearchPath image(root_);
    for (const std::string& path : config.directories) image.add(path);
    for (const std::string& path : system) image.add(path);

    // Folders that the image searches anyway keep their place: were
    // /usr/lib/x86_64-linux-gnu put first, it would come before the image's
    // /usr/local/lib.
    std::vector<std::string> new_folders;
    for (const std::string& folder : paths_.folders) {
      TRY(std::string line, config_line(folder));
      if (const auto id = directory_id(root_, line)) folder_ids_.insert(*id);
      if (!image.has(line)) new_folders.push_back(std::move(line));
    }
    note_folders(new_folders);

    SearchPath search(root_);
    if (paths_.compat_folder) search.add(*paths_.compat_folder);
    for (const std::string& path : new_folders) search.add(path);
    for (const std::string& path : image.directories()) search.add(path);
    for (const std::string& path : search.directories()) {
      if (!is_full_) add_directory(path);
    }
    if (is_full_) {
      warnings_.push_back(fmt::format(
          "{}: left out libraries behind the first {}; the image has more, or "
          "longer paths, than a cache may have",
          kCachePath, entries_.size()));
    }
    TRY_VOID(write_cache());
    return std::move(warnings_);
  }

 private:
  /// For a later run of ldconfig in the container; the cache does without.
  void note_folders(const std::vector<std::string>& folders) {
    if (root_.is_read_only(kConfigPath)) return;
    std::string text;
    for (const std::string& folder : folders) text += folder + "\n";
    const std::string path(kFoldersConfig);
    auto change = text.empty() ? root_.remove_file(path)
                               : root_.replace_file(
                                     path, std::string(kMark) + text, 0644);
    if (change && !text.empty() && !root_.exists(kConfigPath)) {
      change = root_.replace_file(kConfigPath, kDefaultConfig, 0644);
    }
    if (!change) warnings_.push_back(change.error().message());
  }

  void add_directory(const std::string& path) {
    const std::string below = path + "/glibc-hwcaps/";
    if (const auto names = root_.list_directory(below, kMaxHwcapsNames)) {
      for (const std::string& name : *names) add_hwcaps(below, name);
    }
    std::vector<Library> libraries = scanner_.scan(path);
    const auto id = directory_id(root_, path);
    if (id && folder_ids_.count(*id) != 0 && link_sonames(path, libraries)) {
      // A link to a soname leads somewhere now ("libx.so" to "libx.so.1").
      libraries = scanner_.scan(path);
    }
    for (const Library& library : libraries) {
      // ldconfig makes the link it then names; without it the file is named.
      enter({library.object.cache_flags, library.soname,
             path + "/" +
                 (library.soname_exists ? library.soname : library.file_name),
             "", 0});
    }
  }

  void enter(CacheEntry entry) {
    entry_bytes_ += entry.name.size() + entry.path.size();
    is_full_ = is_full_ || entries_.size() == kMaxEntries ||
               entry_bytes_ > kMaxEntryBytes;
    if (!is_full_) entries_.push_back(std::move(entry));
  }

  void add_hwcaps(const std::string& below, const std::string& name) {
    const std::string path = below + name;
    for (const Library& library : scanner_.scan(path)) {
      enter({library.object.cache_flags, library.soname,
             path + "/" + library.file_name, name, library.object.isa_level});
    }
  }

  /// Makes each soname lead to the library that was chosen for it, as ldconfig
  /// would. Specs that other tools wrote count on it. True if any was made.
  bool link_sonames(const std::string& folder,
                    const std::vector<Library>& libraries) const {
    bool made = false;
    for (const Library& library : libraries) {
      if (library.soname_exists && !library.soname_is_other) continue;
      const std::string path = folder + "/" + library.soname;
      if (may_link(path) && root_.replace_link(path, library.file_name)) {
        made = true;
      }
    }
    return made;
  }

  /// Nothing is there but perhaps a link, and nobody asked for that one.
  bool may_link(const std::string& path) const {
    const auto& links = paths_.links;
    if (std::find(links.begin(), links.end(), path) != links.end()) {
      return false;
    }
    const auto there = root_.open_path(path, O_PATH | O_NOFOLLOW);
    struct stat status {};
    return !there ||
           (::fstat(there->get(), &status) == 0 && S_ISLNK(status.st_mode));
  }

  Result<void> write_cache() {
    TRY(const auto warning,
        replace_or_cover(root_, kCachePath,
                         encode_loader_cache(std::move(entries_))));
    if (warning) warnings_.push_back(*warning);
    return {};
  }

  const host::RootDirectory& root_;
  const LoaderPaths& paths_;
  LibraryScanner scanner_;
  std::set<FileId> folder_ids_;
  std::vector<CacheEntry> entries_;
  std::size_t entry_bytes_ = 0;
  bool is_full_ = false;
  std::vector<std::string> warnings_;
};

}  // namespace

bool has_glibc_loader(const host::RootDirectory& root) {
  return std::any_of(kLoaders.begin(), kLoaders.end(),
                     [&](const char* path) { return root.exists(path); });
}

Result<host::Change> remember_compat_folder(
    const host::RootDirectory& root, const std::optional<std::string>& folder) {
  const std::string path(kCompatConfig);
  if (!folder) return root.remove_file(path);
  TRY(const std::string line, config_line(*folder));
  return root.replace_file(path, std::string(kMark) + line + "\n", 0644);
}

std::optional<std::string> remembered_compat_folder(
    const host::RootDirectory& root) {
  const auto text = root.read_file(std::string(kCompatConfig), kMaxConfigBytes);
  if (!text || !text->starts_with(kMark)) return std::nullopt;
  LoaderLine line = parse_loader_line(std::string_view(*text).substr(
      kMark.size(), text->find('\n', kMark.size()) - kMark.size()));
  if (line.kind != LoaderLine::Kind::kDirectory) return std::nullopt;
  return std::move(line.values.front());
}

Result<std::vector<std::string>> update_loader_paths(
    const host::RootDirectory& root, const LoaderPaths& paths) {
  std::vector<std::string> warnings;
  TRY_VOID(update_musl_paths(root, paths.folders, warnings));
  if (!has_glibc_loader(root)) return warnings;
  TRY(auto more, CacheUpdate(root, paths).run());
  warnings.insert(warnings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  return warnings;
}

}  // namespace gpunode::hook
