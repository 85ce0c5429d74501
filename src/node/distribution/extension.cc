#include "node/distribution/extension.h"

#include <algorithm>
#include <utility>

#include "base/core/ascii.h"
#include "node/distribution/names.h"

namespace gpunode::distribution {
namespace {

constexpr std::size_t kFingerprintDigits = 40;

using Problem = std::optional<ExtensionProblem>;

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

/// A part of an address and of a file's name; `besides` may be in it, too.
bool is_plain(std::string_view text, std::string_view besides = "") {
  return !text.starts_with('.') && std::ranges::all_of(text, [&](char c) {
    return is_alphanumeric(c) || c == '.' || c == '-' || c == '_' ||
           besides.find(c) != std::string_view::npos;
  });
}

bool is_package(std::string_view name) {
  return !name.empty() && is_alphanumeric(name.front()) && is_plain(name, "+");
}

bool is_fingerprint(std::string_view text) {
  return text.size() == kFingerprintDigits &&
         std::ranges::all_of(text, [](char c) {
           return is_digit(c) || (c >= 'A' && c <= 'F');
         });
}

/// A name with exactly one of {release} and {version} in it: what
/// devel_package() fills in.
bool is_devel_package(std::string package) {
  for (const std::string_view mark : {"{release}", "{version}"}) {
    const std::size_t at = package.find(mark);
    if (at == std::string::npos) continue;
    package.erase(at, mark.size());
    std::erase(package, '=');
    return is_package(package);
  }
  return false;
}

Problem check_texts(const Extension& extension) {
  const std::pair<std::string_view, std::string_view> texts[] = {
      {"id", extension.id},
      {"version", extension.version},
      {"repository", extension.repository},
      {"keyFile", extension.key_file}};
  for (const auto& [key, text] : texts) {
    if (!is_plain(text)) {
      return {{key, in_quotes(text) +
                        " can't be: letters, digits and .-_ make a part of an "
                        "address"}};
    }
  }
  if (!extension.fingerprint.empty() &&
      !is_fingerprint(extension.fingerprint)) {
    return {{"keyFingerprint",
             "a key's fingerprint is 40 hex digits, 0 to 9 and A to F"}};
  }
  return {};
}

Problem check_branches(std::string_view key, int first, int last) {
  if (first == 0 || last == 0 || first <= last) return {};
  return {{key, "the first branch, " + std::to_string(first) +
                    ", is newer than the last, " + std::to_string(last)}};
}

Problem check_architectures(const Extension& extension) {
  if (!extension.architectures.empty() &&
      (extension.first_branch != 0 || extension.last_branch != 0)) {
    return {{extension.first_branch != 0 ? "firstBranch" : "lastBranch",
             "it contradicts `architectures`, which have branches of their "
             "own: say it of each of those"}};
  }
  std::vector<std::string_view> machines;
  for (const SaidArchitecture& one : extension.architectures) {
    if (one.machine.empty() || one.directory.empty() ||
        !is_plain(one.machine) || !is_plain(one.directory)) {
      return {{"architectures",
               "each has a `machine`, as `uname -m` says it, and NVIDIA's "
               "`directory` for it, such as {machine: aarch64, directory: "
               "sbsa}"}};
    }
    if (std::ranges::find(machines, one.machine) != machines.end()) {
      return {{"architectures", one.machine + " stands there twice"}};
    }
    machines.push_back(one.machine);
    if (auto wrong = check_branches("architectures", one.first_branch,
                                    one.last_branch)) {
      return wrong;
    }
  }
  return check_branches("lastBranch", extension.first_branch,
                        extension.last_branch);
}

Problem check_packages(const Extension& extension) {
  for (const SaidDevel& one : extension.devel) {
    if (!is_devel_package(one.package)) {
      return {{"devel", in_quotes(one.package) +
                            " is no package of one kernel: it needs {release} "
                            "or {version} in its name, as "
                            "\"kernel-devel-{release}\" has"}};
    }
  }
  if (!extension.devel.empty() && !extension.devel.back().flavour.empty()) {
    return {{"devel",
             "the last entry is for every other kernel, without `kernel`"}};
  }
  for (const std::string& one : extension.compilers) {
    if (!is_package(one)) {
      return {{"compilers", in_quotes(one) + " is no name of a package"}};
    }
  }
  if (extension.dkms) {
    const std::string_view known[] = {"epel", "main", "own", ""};
    if (std::ranges::find(known, *extension.dkms) == std::end(known)) {
      return {{"dkms", in_quotes(*extension.dkms) +
                           " is none of epel, main, own and none"}};
    }
  }
  return {};
}

/// A row that is like none says all that there is to say.
Problem check_whole(const Extension& extension) {
  std::string missing;
  const auto need = [&missing](bool is_there, const char* key) {
    if (is_there) return;
    missing += (missing.empty() ? "" : ", ") + std::string(key);
  };
  const bool is_refused = extension.status == Status::kRefused;
  need(extension.manager.has_value(), "packageManager");
  need(extension.family.has_value(), "driverPackages");
  need(is_refused || !extension.repository.empty(), "repository");
  need(!extension.architectures.empty(), "architectures");
  need(!extension.devel.empty(), "devel");
  need(!extension.compilers.empty(), "compilers");
  need(extension.dkms.has_value(), "dkms");
  need(is_refused || !extension.key_file.empty(), "keyFile");
  need(is_refused || !extension.fingerprint.empty(), "keyFingerprint");
  if (missing.empty()) return {};
  return {{"id",
           "it is not in the table: say what it is `like`, as in \"rhel 9\", "
           "or all of it; missing are " +
               missing}};
}

/// One host has one package manager, whoever says it.
Problem check_manager(const Extension& extension, const Distribution* base) {
  const Manager manager =
      extension.manager ? *extension.manager : base->manager;
  const Family family = extension.family ? *extension.family : base->family;
  const std::string_view key = extension.manager  ? "packageManager"
                               : extension.family ? "driverPackages"
                                                  : "like";
  if (!has_family(manager, family)) {
    return {
        {key, std::string(name_of(manager)) + " contradicts the packages of " +
                  std::string(name_of(family)) + ", which it does not have"}};
  }
  const auto own = manager_of(extension.id, {});
  if (own && !is_same_kind(*own, manager)) {
    return {{key, std::string(name_of(manager)) + " contradicts " +
                      extension.id + ", whose package manager is " +
                      std::string(name_of(*own))}};
  }
  return {};
}

Problem check_status(const Extension& extension, const Distribution* base) {
  const Status status = extension.status ? *extension.status
                        : base           ? base->status
                                         : Status::kSupported;
  const bool has_note = extension.note ? !extension.note->empty()
                                       : base != nullptr && !base->note.empty();
  if (status != Status::kSupported && !has_note) {
    return {{"status", std::string(name_of(status)) +
                           " needs a `note`: why, and what to do instead"}};
  }
  const bool has_repository =
      !extension.repository.empty() || (base && !base->repository.empty());
  if (status != Status::kRefused && !has_repository) {
    return {{"status", std::string(name_of(status)) + " needs a `repository`"}};
  }
  return {};
}

}  // namespace

Result<const Distribution*> base_of(const Extension& extension) {
  if (extension.like.empty()) {
    for (const Distribution& row : distributions()) {
      if (row.id == extension.id && row.version == extension.version) {
        return &row;
      }
    }
    return nullptr;
  }
  const std::size_t blank = extension.like.find(' ');
  if (blank == std::string::npos) {
    return Error(ErrorCode::kInvalidArgument,
                 in_quotes(extension.like) +
                     " is no distribution with its version, as \"rhel 9\" is");
  }
  return find_distribution(extension.like.substr(0, blank),
                           extension.like.substr(blank + 1));
}

std::optional<ExtensionProblem> find_problem(const Extension& extension) {
  if (extension.id.empty() || extension.version.empty()) {
    return {{extension.id.empty() ? "id" : "version",
             "id and version are needed, as in /etc/os-release"}};
  }
  for (const auto check : {check_texts, check_architectures, check_packages}) {
    if (auto problem = check(extension)) return problem;
  }
  const auto base = base_of(extension);
  if (!base) return {{"like", base.error().message()}};
  if (*base == nullptr) {
    if (auto problem = check_whole(extension)) return problem;
  }
  if (auto problem = check_manager(extension, *base)) return problem;
  return check_status(extension, *base);
}

}  // namespace gpunode::distribution
