// Package repositories as files that we write, with the key that they may be
// signed by. Pure: others put the files where they belong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

struct Repository {
  std::string id;    ///< Also the files' name: "cuda-rhel9-x86_64".
  std::string name;  ///< For people.
  std::vector<std::string> urls;
  /// What the key file holds, as it was fetched or bundled.
  std::string key;
  /// The keys that may be in it, and no others: 40 hex digits, blanks allowed.
  std::vector<std::string> fingerprints;

  std::string suite = "/";                 ///< apt: "stable", or "/" for flat.
  std::vector<std::string> components;     ///< apt; none if flat.
  std::vector<std::string> architectures;  ///< apt: "amd64"; none: native.

  bool checks_index = false;  ///< dnf: repo_gpgcheck; apt always does.
  bool has_hotfixes = false;  ///< dnf: module_hotfixes.
  int priority = 0;           ///< dnf, zypper: 1 first, 99 usual; 0: unset.
  std::vector<std::string> excludes;  ///< dnf: packages never taken from it.
};

/// A file to have.
struct FileToHave {
  std::string path;
  std::string content;
  unsigned mode = 0644;
};

/// The key's file and the repository's, in the order in which to write them.
///
/// Refused are (kPermissionDenied) a key that is not pinned or that has expired
/// at `now` (Unix seconds): rpm itself takes packages of an expired key. And
/// (kInvalidArgument) values that would mean something else in the file.
Result<std::vector<FileToHave>> repository_files(Tool tool,
                                                 const Repository& repository,
                                                 std::int64_t now);

/// Where the key of a repository lies; `is_armoured` matters to apt alone.
std::string repository_key_path(Tool tool, const std::string& id,
                                bool is_armoured);

/// The repository's file alone, for a key that lies at `key_path` or will;
/// `repository.key` is not looked at.
Result<FileToHave> repository_file(Tool tool, const Repository& repository,
                                   const std::string& key_path);

/// Whether `key` holds only keys that are pinned, still good at `now`.
/// The Error names the fingerprints that are there and those that should be.
Result<void> check_key(const std::string& key,
                       const std::vector<std::string>& fingerprints,
                       std::int64_t now);

/// True for the path of a file that says where packages come from, ours or
/// anybody's.
bool is_repository_file(std::string_view path);

/// A version that apt may not leave, whatever the repositories offer.
struct Pin {
  std::vector<std::string> packages;  ///< Names; "*" at the end for any rest.
  std::string version;                ///< "580.65*".
  int priority = 1001;                ///< Above 1000 downgrades, too.
};

/// /etc/apt/preferences.d/`id`.pref.
Result<FileToHave> apt_preferences_file(const std::string& id,
                                        const std::vector<Pin>& pins);

}  // namespace gpunode::packages
