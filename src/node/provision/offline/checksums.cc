#include "node/provision/offline/checksums.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/digest/digest.h"
#include "base/host/host_root.h"

namespace gpunode::offline {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDigits = 64;
constexpr std::size_t kFilesAtOnce = 64;
constexpr std::size_t kSumsLimitBytes = std::size_t{16} << 20U;
constexpr auto kTimeout = std::chrono::minutes(30);
constexpr mode_t kOthersMayWrite = S_IWGRP | S_IWOTH;

bool is_digest(std::string_view text) {
  return text.size() == kDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// A path below a directory that sha256sum writes as it is.
bool is_plain_path(std::string_view path) {
  if (path.empty() || path.front() == '/') return false;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  }
  return path.back() != '/' && std::ranges::all_of(path, [](char c) {
           return c > 0x20 && c < 0x7f && c != '\\';
         });
}

Error corrupt(const std::string& words) {
  return {ErrorCode::kCorrupt,
          words + "; carry the bundle over once more, or make it anew"};
}

/// Whoever may change a file after it was checked makes the check worthless.
Result<void> check_owner(const std::string& path) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    return Error::from_errno("look at " + path, errno);
  }
  const bool is_ours = status.st_uid == 0 || status.st_uid == ::geteuid();
  if (is_ours && (status.st_mode & kOthersMayWrite) == 0) return {};
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("{} may be changed by others than root; `chown -R "
                           "root:` and `chmod -R go-w` the bundle",
                           path));
}

/// Every regular file below, without the list itself.
Result<std::vector<std::string>> files_of(const std::string& directory,
                                          bool check_owners) {
  std::vector<std::string> paths;
  std::error_code problem;
  fs::recursive_directory_iterator at(directory, problem);
  for (; !problem && at != fs::recursive_directory_iterator();
       at.increment(problem)) {
    const fs::path& path = at->path();
    const std::string name = path.lexically_relative(directory).string();
    const fs::file_status status = at->symlink_status(problem);
    if (problem) break;
    const bool is_file = fs::is_regular_file(status) && is_plain_path(name);
    if (!is_file && !fs::is_directory(status)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} is no plain file, or its name has blanks or "
                               "signs: it has no place in a bundle",
                               path.string()));
    }
    // A link is nobody's to change and everybody's mode: its kind comes first.
    if (check_owners) TRY_VOID(check_owner(path.string()));
    if (is_file && name != kSumsName) paths.push_back(name);
  }
  if (problem) {
    return Error::from_errno("list " + directory, problem.value());
  }
  std::ranges::sort(paths);
  return paths;
}

Result<Sums> digests_of(const std::string& directory,
                        const std::vector<std::string>& names,
                        host::CommandRunner& runner) {
  Sums sums;
  for (std::size_t at = 0; at < names.size(); at += kFilesAtOnce) {
    host::Command command;
    command.argv = {"/usr/bin/sha256sum", "--"};
    command.timeout = kTimeout;
    const std::size_t end = std::min(at + kFilesAtOnce, names.size());
    for (std::size_t i = at; i < end; ++i) {
      command.argv.push_back(directory + "/" + names[i]);
    }
    TRY(const host::Completed done, runner.run(command));
    if (done.status != 0) {
      return Error(ErrorCode::kInternal, "add up files: " + done.err);
    }
    std::string_view rest = done.out;
    for (std::size_t i = at; i < end; ++i) {
      const std::string_view digest = rest.substr(0, kDigits);
      const std::size_t line = rest.find('\n');
      if (!is_digest(digest) || line == std::string_view::npos) {
        return Error(ErrorCode::kCorrupt,
                     "sha256sum said nothing of " + names[i]);
      }
      sums[names[i]] = digest;
      rest.remove_prefix(line + 1);
    }
  }
  return sums;
}

}  // namespace

Result<Sums> parse_sums(std::string_view text) {
  Sums sums;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::string_view digest = line.substr(0, kDigits);
    const bool is_line = line.size() > kDigits + 2 && is_digest(digest) &&
                         line.substr(kDigits, 2) == "  " &&
                         is_plain_path(line.substr(kDigits + 2));
    if (!is_line || !sums.emplace(line.substr(kDigits + 2), digest).second) {
      return corrupt(
          fmt::format("{}, line {}: no digest and path of a file, "
                      "or one that stands there twice",
                      kSumsName, number));
    }
  }
  return sums;
}

std::string sums_text(const Sums& sums) {
  std::string text;
  for (const auto& [path, digest] : sums) {
    text += fmt::format("{}  {}\n", digest, path);
  }
  return text;
}

Result<Sums> sum_directory(const std::string& directory,
                           host::CommandRunner& runner) {
  TRY(const auto names, files_of(directory, false));
  return digests_of(directory, names, runner);
}

Result<void> check_directory(const std::string& directory,
                             const std::string& sums_digest,
                             host::CommandRunner& runner) {
  TRY_VOID(check_owner(directory));
  const host::HostRoot host(directory);
  const std::string list = fmt::format("/{}", kSumsName);
  TRY(const std::string text, host.read_file(list, kSumsLimitBytes));
  if (digest::sha256(text) != sums_digest) {
    return corrupt(directory + list + " is not the one that was planned with");
  }
  TRY(const Sums wanted, parse_sums(text));
  TRY(const auto names, files_of(directory, true));
  for (const std::string& name : names) {
    if (!wanted.contains(name)) {
      return corrupt(
          fmt::format("{}/{} is not in {}", directory, name, kSumsName));
    }
  }
  for (const auto& [name, digest] : wanted) {
    if (!std::ranges::binary_search(names, name)) {
      return corrupt(fmt::format("{}/{} is missing", directory, name));
    }
  }
  TRY(const Sums found, digests_of(directory, names, runner));
  for (const auto& [name, digest] : wanted) {
    if (found.at(name) != digest) {
      return corrupt(
          fmt::format("{}/{} is not what {} says: it was changed or "
                      "is damaged",
                      directory, name, kSumsName));
    }
  }
  return {};
}

}  // namespace gpunode::offline
