#include "container/hook/library_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "container/hook/library_name.h"

namespace gpunode::hook {
namespace {

constexpr std::size_t kMaxNames = 65536;
constexpr std::size_t kMaxFiles = 32768;

/// A link keeps its own name if it is the soname or what the link editor looks
/// for ("libx.so" of "libx.so.1"); by any other name it counts as a file.
bool keeps_its_name(std::string_view name, std::string_view soname) {
  return name == soname || (name.ends_with(".so") && soname.starts_with(name));
}

/// `next` is to be taken instead of `held`: a file before a link, then the
/// higher version.
bool is_better(const Library& next, const Library& held) {
  if (next.is_link != held.is_link) return held.is_link;
  return compare_library_names(held.file_name, next.file_name) < 0;
}

}  // namespace

const std::optional<host::SharedObject>& LibraryScanner::read(
    FileId id, const UniqueFd& path_fd) {
  const auto known = read_.find(id);
  if (known != read_.end()) return known->second;
  static const std::optional<host::SharedObject> kNone;
  if (read_.size() == kMaxFiles) return kNone;
  std::optional<host::SharedObject> object;
  if (const auto file = host::reopen_file(path_fd, "")) {
    if (auto found = host::read_shared_object(host::FileBytes(file->get()))) {
      object = *std::move(found);
    }
  }
  return read_.emplace(id, std::move(object)).first->second;
}

std::optional<LibraryScanner::Candidate> LibraryScanner::look_at(
    int directory, const std::string& path, const std::string& name) {
  UniqueFd fd(
      ::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return std::nullopt;
  Candidate candidate;
  candidate.name = name;
  candidate.is_link = S_ISLNK(status.st_mode);
  if (candidate.is_link) {
    auto target = root_.open_path(path + "/" + name, O_PATH);
    if (!target) return std::nullopt;
    fd = *std::move(target);
    if (::fstat(fd.get(), &status) != 0) return std::nullopt;
  }
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  candidate.file = {status.st_dev, status.st_ino};
  const auto& object = read(candidate.file, fd);
  if (!object) return std::nullopt;
  candidate.object = *object;
  return candidate;
}

std::vector<Library> LibraryScanner::scan(const std::string& directory) {
  const auto names = root_.list_directory(directory, kMaxNames);
  const auto fd = root_.open_path(directory, O_PATH | O_DIRECTORY);
  if (!names || !fd) return {};
  std::map<std::string, Library> libraries;
  std::map<std::string, FileId> files;
  for (const std::string& name : *names) {
    if (!is_library_name(name)) continue;
    auto candidate = look_at(fd->get(), directory, name);
    if (!candidate) continue;
    files.emplace(name, candidate->file);
    Library library;
    library.soname =
        candidate->object.soname.empty() ? name : candidate->object.soname;
    library.is_link =
        candidate->is_link && keeps_its_name(name, library.soname);
    if (library.is_link) library.soname = name;
    library.file_name = name;
    library.file = candidate->file;
    library.object = std::move(candidate->object);
    const auto [held, is_new] = libraries.try_emplace(library.soname, library);
    if (!is_new && is_better(library, held->second)) {
      held->second = std::move(library);
    }
  }
  std::vector<Library> found;
  for (auto& [soname, library] : libraries) {
    const auto by_soname = files.find(soname);
    library.soname_exists = by_soname != files.end();
    library.soname_is_other =
        library.soname_exists && by_soname->second != library.file;
    found.push_back(std::move(library));
  }
  return found;
}

}  // namespace gpunode::hook
