#include "node/provision/file_actions.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "base/host/selinux_policy.h"
#include "node/provision/journal.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {
namespace {

// A program of ours is taken away again as a file.
constexpr std::size_t kLimitBytes = std::size_t{64} << 20U;
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

/// Stops what would overwrite a change that no plan saw. What `ours` says
/// already is no change of somebody's: the action was cut off after it.
Result<void> expect_seen(const std::string& path,
                         const std::optional<std::string>& now,
                         const std::string& before,
                         const std::optional<std::string>& ours) {
  if (before.empty() || now == ours || seen_content(now) == before) return {};
  return changed_since_plan(path);
}

/// A link that leads nowhere: written through, it would make a file where
/// nobody knows of one; replaced, somebody's arrangement would be gone.
Error dangling(const std::string& path, const std::string& target) {
  return {ErrorCode::kAlreadyExists,
          fmt::format("{} is a symbolic link to {}, which is not there; make "
                      "that file or take the link away, then plan again",
                      path, target)};
}

Error changed_by_hand(const std::string& path) {
  return {ErrorCode::kAlreadyExists,
          fmt::format("{} was changed by hand since; look at it, then undo "
                      "with --overwrite-drift to put back what was before "
                      "gpunode",
                      path)};
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
                                  const std::optional<std::string>& ours,
                                  const std::string& seen,
                                  std::uint64_t seq) const {
  TRY(const RootDirectory root, host::open_host(host_));
  TRY(const auto before, content_of(root, path));
  TRY_VOID(expect_seen(path, before, seen, ours));
  const std::string written = ours.value_or("");
  if (auto link = host_.read_link(path)) {
    // The link goes, and what it leads to stays as it is.
    if (!ours) return Inverse::of(RestoreFile{.path = path, .link = *link});
    if (!before) return dangling(path, *link);
  }
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
  return keep(action.path, action.content, action.before, seq);
}

Result<Inverse> FileActions::prepare(const RemoveFile& action,
                                     std::uint64_t seq) const {
  return keep(action.path, std::nullopt, action.before, seq);
}

Result<Inverse> FileActions::prepare(const MakeDirectory& action,
                                     std::uint64_t /*seq*/) const {
  Inverse inverse;
  add_missing_directories(action.path, inverse);
  return inverse;
}

std::optional<host::FileAttribute> FileActions::policy_label(
    const std::string& path) const {
  if (!host_.exists("/sys/fs/selinux/enforce")) return std::nullopt;
  const auto labels = host::policy_labels(*runner_, {path});
  // Without its tools the file is labelled as the kernel sees fit.
  if (!labels || labels->empty()) return std::nullopt;
  const std::string& label = labels->begin()->second;
  return host::FileAttribute{"security.selinux",
                             std::string(label.c_str(), label.size() + 1)};
}

Result<void> FileActions::check(const WriteFile& action) const {
  if (action.check.empty()) return {};
  const std::string copy = fmt::format("{}/check", kStateDirectory);
  TRY_VOID(host::replace_host_file(host_, copy, action.content, {}));
  host::Command command;
  for (const std::string& word : action.check) {
    command.argv.push_back(word == "@" ? host_.outside(copy) : word);
  }
  const auto checked = runner_->run(command);
  TRY_VOID(host::remove_host_file(host_, copy));
  const std::string left =
      fmt::format("{} is left as it was, since it would not do", action.path);
  if (!checked) return Error(checked.error()).with_context(left);
  if (checked->status == 0) return {};
  // findmnt says on standard output what is wrong, and how much on the other.
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: {}: exit status {}: {}", left,
                           host::command_line(command), checked->status,
                           host::output_tail(checked->out + checked->err)));
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
  if (const auto link = host_.read_link(action.path); !real && link) {
    return dangling(action.path, *link);
  }
  const std::string path = real ? *real : action.path;
  TRY(const auto now, content_of(root, path));
  TRY_VOID(expect_seen(action.path, now, action.before, action.content));
  TRY(FileForm form, form_at(root, path));
  if (action.mode != 0) form.mode = action.mode;
  const auto label = now ? std::nullopt : policy_label(path);
  if (label) {
    FileForm labelled = form;
    labelled.attributes.push_back(*label);
    if (root.replace_file(path, action.content, labelled)) return {};
    // Who may not set it writes the file without.
  }
  TRY_VOID(root.replace_file(path, action.content, form));
  return {};
}

Result<void> FileActions::perform(const RemoveFile& action) const {
  TRY(const RootDirectory root, host::open_host(host_));
  TRY(const auto now, content_of(root, action.path));
  TRY_VOID(expect_seen(action.path, now, action.before, std::nullopt));
  TRY_VOID(root.remove_file(action.path, host::Durability::kDurable));
  return {};
}

Result<void> FileActions::restore_link(const RestoreFile& action) const {
  TRY(const RootDirectory root, host::open_host(host_));
  const auto now = host_.read_link(action.path);
  if (now && *now == action.link) return {};
  if ((now || root.exists(action.path)) && !overwrite_drift_) {
    return changed_by_hand(action.path);
  }
  TRY_VOID(root.replace_link(action.path, action.link));
  return {};
}

Result<void> FileActions::perform(const RestoreFile& action) const {
  if (!action.link.empty()) return restore_link(action);
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
    return changed_by_hand(action.path);
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
