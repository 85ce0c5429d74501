#include "node/provision/file_actions.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "node/provision/journal.h"

namespace gpunode::provision {
namespace {

constexpr std::size_t kLimitBytes = std::size_t{16} << 20U;
constexpr mode_t kNewFileMode = 0644;

using host::FileForm;
using host::RootDirectory;

/// Nothing if there is no file.
Result<std::optional<std::string>> content_of(const RootDirectory& root,
                                              const std::string& path) {
  auto content = root.read_file(path, kLimitBytes);
  if (content) return std::optional<std::string>(*std::move(content));
  if (content.error().code() == ErrorCode::kNotFound) {
    return std::optional<std::string>();
  }
  return std::move(content).error();
}

/// The form of what is there, or of a new file.
Result<FileForm> form_at(const RootDirectory& root, const std::string& path) {
  auto form = root.form_of(path);
  if (!form && form.error().code() != ErrorCode::kNotFound) {
    return std::move(form).error();
  }
  FileForm result = form ? *std::move(form) : FileForm{.mode = kNewFileMode};
  result.durability = host::Durability::kDurable;
  return result;
}

}  // namespace

void FileActions::add_missing_directories(std::string path,
                                          Inverse& inverse) const {
  while (path.size() > 1 && !host_.exists(path)) {
    inverse.actions.emplace_back(RemoveDirectory{path});
    path.resize(path.find_last_of('/'));
  }
}

Result<Inverse> FileActions::keep(const std::string& path,
                                  const std::string& written,
                                  std::uint64_t seq) const {
  TRY(const RootDirectory root, host::open_host(host_));
  TRY(const auto before, content_of(root, path));
  if (!before) {
    Inverse inverse = Inverse::of(RestoreFile{path, "", written});
    add_missing_directories(path.substr(0, path.find_last_of('/')), inverse);
    return inverse;
  }
  const std::string backup =
      fmt::format("{}/backup/{}/{}", kStateDirectory, seq,
                  path.substr(path.find_last_of('/') + 1));
  TRY(const FileForm form, form_at(root, path));
  if (auto kept = root.replace_file(backup, *before, form); !kept) {
    return std::move(kept).error().with_context("keep a copy of " + path);
  }
  return Inverse::of(RestoreFile{path, backup, written});
}

Result<Inverse> FileActions::prepare(const WriteFile& action,
                                     std::uint64_t seq) const {
  return keep(action.path, action.content, seq);
}

Result<Inverse> FileActions::prepare(const RemoveFile& action,
                                     std::uint64_t seq) const {
  return keep(action.path, "", seq);
}

Result<Inverse> FileActions::prepare(const MakeDirectory& action,
                                     std::uint64_t /*seq*/) const {
  Inverse inverse;
  add_missing_directories(action.path, inverse);
  return inverse;
}

Result<void> FileActions::check(const WriteFile& action) const {
  if (action.check.empty()) return {};
  const std::string copy = fmt::format("{}/check", kStateDirectory);
  TRY_VOID(host::replace_host_file(host_, copy, action.content, {}));
  host::Command command;
  for (const std::string& word : action.check) {
    command.argv.push_back(word == "@" ? host_.outside(copy) : word);
  }
  auto checked = runner_->output(command);
  TRY_VOID(host::remove_host_file(host_, copy));
  if (!checked) {
    return std::move(checked).error().with_context(fmt::format(
        "{} is left as it was, since it would not do", action.path));
  }
  return {};
}

Result<void> FileActions::perform(const WriteFile& action) const {
  TRY_VOID(check(action));
  TRY(const RootDirectory root, host::open_host(host_));
  // What a link stands for is changed, never the link: /etc/resolv.conf and
  // the like are somebody's arrangement.
  auto real = root.resolve(action.path);
  if (!real && real.error().code() != ErrorCode::kNotFound) {
    return std::move(real).error();
  }
  const std::string path = real ? *real : action.path;
  TRY(FileForm form, form_at(root, path));
  if (action.mode != 0) form.mode = action.mode;
  TRY_VOID(root.replace_file(path, action.content, form));
  return {};
}

Result<void> FileActions::perform(const RemoveFile& action) const {
  TRY(const RootDirectory root, host::open_host(host_));
  TRY_VOID(root.remove_file(action.path, host::Durability::kDurable));
  return {};
}

Result<void> FileActions::perform(const RestoreFile& action) const {
  TRY(const RootDirectory root, host::open_host(host_));
  TRY(const auto now, content_of(root, action.path));
  std::optional<std::string> before;
  if (!action.backup.empty()) {
    TRY(before, content_of(root, action.backup));
    if (!before) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("the copy of {} is gone from {}", action.path,
                               action.backup));
    }
  }
  const bool is_back = now == before;
  const bool is_ours = now.value_or("") == action.written;
  if (!is_back && !is_ours && !overwrite_drift_) {
    return Error(
        ErrorCode::kAlreadyExists,
        fmt::format("{} was changed by hand since; look at it, then undo with "
                    "--overwrite-drift to put back what was before gpunode",
                    action.path));
  }
  if (!before) {
    TRY_VOID(root.remove_file(action.path, host::Durability::kDurable));
    return {};
  }
  auto real = root.resolve(action.path);
  const std::string path = real ? *real : action.path;
  TRY(const FileForm form, form_at(root, action.backup));
  TRY_VOID(root.replace_file(path, *before, form));
  return {};
}

Result<void> FileActions::perform(const MakeDirectory& action) const {
  TRY(const RootDirectory root, host::open_host(host_));
  const bool is_new = !root.exists(action.path);
  TRY(const UniqueFd directory, root.make_directories(action.path));
  if (is_new) {
    const std::string name = fmt::format("/proc/self/fd/{}", directory.get());
    if (::chmod(name.c_str(), action.mode) != 0) {
      return Error::from_errno("chmod " + action.path, errno);
    }
  }
  return {};
}

Result<void> FileActions::perform(const RemoveDirectory& action) const {
  TRY(const RootDirectory root, host::open_host(host_));
  const std::size_t slash = action.path.find_last_of('/');
  auto parent =
      root.open_path(action.path.substr(0, slash + 1), O_PATH | O_DIRECTORY);
  if (!parent) {
    if (parent.error().code() == ErrorCode::kNotFound) return {};
    return std::move(parent).error();
  }
  const std::string name = action.path.substr(slash + 1);
  if (::unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR) != 0 &&
      errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST &&
      errno != EBUSY) {
    return Error::from_errno("remove the directory " + action.path, errno);
  }
  return {};
}

}  // namespace gpunode::provision
