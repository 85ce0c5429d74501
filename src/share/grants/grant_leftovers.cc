#include "share/grants/grant_leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/core/unique_fd.h"

namespace gpunode::share {
namespace {

// A container may have made any number of files in a directory that an engine
// made for one of a grant's: the rest goes with the next reboot.
constexpr std::size_t kMostOfOne = 64;
constexpr std::size_t kMostRetired = 4096;

/// No more than `most` names that begin so.
Result<std::vector<std::string>> names_in(int directory,
                                          std::string_view prefix,
                                          std::size_t most) {
  std::vector<std::string> names;
  UniqueFd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Error::from_errno("open", errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()),
                                                   &::closedir);
  if (stream == nullptr) return Error::from_errno("read", errno);
  (void)fd.release();
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own.
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || !name.starts_with(prefix)) continue;
    names.emplace_back(name);
    if (names.size() == most) break;
  }
  return names;
}

/// Returns errno or 0. Of directories within directories of it nothing goes.
int remove_directory(int parent, const std::string& name, bool with_inner) {
  const UniqueFd directory(::openat(
      parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return errno;
  if (const auto names = names_in(directory.get(), "", kMostOfOne)) {
    for (const std::string& inner : *names) {
      if (::unlinkat(directory.get(), inner.c_str(), 0) == 0) continue;
      if (errno == EISDIR && with_inner) {
        (void)remove_directory(directory.get(), inner, false);
      }
    }
  }
  return ::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 ? 0 : errno;
}

Result<void> remove_from(int directory, const std::string& root,
                         const std::string& name) {
  const int error = remove_directory(directory, name, true);
  // Another was faster, or it is a file of nobody's: neither is a grant's.
  if (error == 0 || error == ENOENT || error == ENOTDIR || error == ELOOP) {
    return {};
  }
  return Error::from_errno(
      fmt::format("remove {}/{}, where a container left something (a reboot "
                  "of the node removes it)",
                  root, name),
      error);
}

}  // namespace

Result<void> remove_leftover(const std::string& root, const std::string& name) {
  const UniqueFd directory(
      ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return Error::from_errno("open " + root, errno);
  return remove_from(directory.get(), root, name);
}

Result<std::size_t> remove_leftovers(const std::string& root) {
  const UniqueFd directory(
      ::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    if (errno == ENOENT) return std::size_t{0};
    return Error::from_errno("open " + root, errno);
  }
  auto names = names_in(directory.get(), kRetired, kMostRetired);
  if (!names) {
    return std::move(names).error().with_context("look for leftovers in " +
                                                 root);
  }
  std::optional<Error> problem;
  for (const std::string& name : *names) {
    const auto removed = remove_from(directory.get(), root, name);
    if (!removed) problem = removed.error();
  }
  if (problem) return *std::move(problem);
  return names->size();
}

}  // namespace gpunode::share
