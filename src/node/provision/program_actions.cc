#include "node/provision/program_actions.h"

#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/digest/digest.h"
#include "base/host/host_file.h"
#include "base/host/root_directory.h"
#include "node/provision/journal.h"

namespace gpunode::provision {
namespace {

using host::FileForm;
using host::RootDirectory;

constexpr std::size_t kLimitBytes = std::size_t{64} << 20U;
constexpr mode_t kProgramMode = 0755;

/// Nothing if there is no file.
Result<std::optional<std::string>> program_at(const RootDirectory& root,
                                              const std::string& path) {
  auto bytes = root.read_file(path, kLimitBytes);
  if (bytes) return std::optional<std::string>(*std::move(bytes));
  if (bytes.error().code() == ErrorCode::kNotFound) {
    return std::optional<std::string>();
  }
  return std::move(bytes).error();
}

FileForm form_of(const RootDirectory& root, const std::string& path) {
  auto form = root.form_of(path);
  FileForm result = form ? *std::move(form) : FileForm{};
  result.mode = kProgramMode;
  result.durability = host::Durability::kDurable;
  return result;
}

}  // namespace

Result<Inverse> ProgramActions::prepare(const InstallProgram& action,
                                        std::uint64_t seq) const {
  TRY(const RootDirectory root, host::open_host(host_));
  if (const auto link = host_.read_link(action.path)) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is a symbolic link to {}; take it away, then "
                             "plan again",
                             action.path, *link));
  }
  TRY(const auto before, program_at(root, action.path));
  if (!before) {
    return Inverse::of(RemoveFile{action.path, "sha256:" + action.digest});
  }
  const std::string backup =
      fmt::format("{}/backup/{}/{}", kStateDirectory, seq,
                  action.path.substr(action.path.find_last_of('/') + 1));
  if (auto kept =
          root.replace_file(backup, *before, form_of(root, action.path));
      !kept) {
    return std::move(kept).error().with_context("keep a copy of " +
                                                action.path);
  }
  return Inverse::of(InstallProgram{backup, action.path,
                                    digest::sha256(*before), action.digest});
}

Result<void> ProgramActions::perform(const InstallProgram& action) const {
  TRY(const RootDirectory root, host::open_host(host_));
  TRY(const auto bytes, program_at(root, action.from));
  if (!bytes) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} is gone; unpack gpunode's release again, then "
                             "apply again",
                             action.from));
  }
  if (digest::sha256(*bytes) != action.digest) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("{} was changed since the plan was made, and {} "
                             "stays as it is; `gpunode apply` plans anew",
                             action.from, action.path));
  }
  TRY(const auto now, program_at(root, action.path));
  if (now && !action.over.empty()) {
    const std::string there = digest::sha256(*now);
    if (there != action.over && there != action.digest) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("{} is not what gpunode put there: a package or "
                               "a person brought another, which stays; what "
                               "was there before is in {}",
                               action.path, action.from));
    }
  }
  TRY_VOID(root.replace_file(action.path, *bytes, form_of(root, action.path)));
  return {};
}

}  // namespace gpunode::provision
