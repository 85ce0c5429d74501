#include "container/engines/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"

namespace gpunode::engines {
namespace {

// A link that leads nowhere would be replaced by a file, and whoever made it
// would wonder.
Result<void> refuse_dangling(const host::HostRoot& root,
                             const std::string& path) {
  const auto target = root.read_link(path);
  if (!target || root.exists(path)) return {};
  return Error(ErrorCode::kNotFound,
               fmt::format("{} is a link to {}, which is not there; make the "
                           "file or remove the link",
                           root.outside(path), *target));
}

/// What is written over: where it really is, and how it is.
struct Target {
  std::string path;
  host::FileForm form;
};

Result<Target> target_of(const host::RootDirectory& directory,
                         const std::string& path, mode_t new_mode) {
  Target target{path,
                {new_mode, std::nullopt, host::Durability::kDurable, true}};
  auto resolved = directory.resolve(path);
  if (!resolved) {
    if (resolved.error().code() == ErrorCode::kNotFound) return target;
    return std::move(resolved).error();
  }
  target.path = *std::move(resolved);
  TRY(const UniqueFd old, directory.open_path(target.path, O_PATH));
  struct stat status {};
  if (::fstat(old.get(), &status) != 0) {
    return Error::from_errno("stat " + target.path, errno);
  }
  target.form.mode = status.st_mode & 07777U;
  target.form.owner = {status.st_uid, status.st_gid};
  return target;
}

Result<void> change(const host::RootDirectory& directory,
                    const std::string& path,
                    const std::optional<std::string>& text, mode_t new_mode) {
  TRY(const Target target, target_of(directory, path, new_mode));
  const auto changed =
      text ? directory.replace_file(target.path, *text, target.form)
           : directory.remove_file(target.path, target.form.durability);
  if (!changed) return changed.error();
  return {};
}

}  // namespace

Result<std::optional<std::string>> read_config(const host::HostRoot& root,
                                               const std::string& path) {
  TRY_VOID(refuse_dangling(root, path));
  auto text = root.read_file(path);
  if (text) return std::optional(*std::move(text));
  if (text.error().code() == ErrorCode::kNotFound) {
    return std::optional<std::string>{};
  }
  return std::move(text).error();
}

Result<void> write_config(const host::HostRoot& root, const std::string& path,
                          const std::optional<std::string>& text,
                          mode_t new_mode) {
  TRY_VOID(refuse_dangling(root, path));
  TRY(const host::RootDirectory directory, host::open_host(root));
  auto changed = change(directory, path, text, new_mode);
  if (!changed) return host::below(root, std::move(changed).error());
  return {};
}

}  // namespace gpunode::engines
