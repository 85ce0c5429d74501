// Packages with all that they need, fetched without installing them, for a host
// that is not there.
//
// Asked is the distribution's own manager, in a root of its own in which
// nothing is installed: so the answer has everything that any host of that
// release could lack, and this machine's own packages do not matter.
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "node/facts/os_release.h"
#include "node/provision/packages/repository.h"
#include "node/provision/packages/tool_runner.h"

namespace gpunode::offline {

/// Packages that only work in one version, the newest in which all are offered
/// (packages/package_set.h), as InstallSet has them.
struct SetToFetch {
  std::string step;                ///< Whose it is.
  std::vector<std::string> names;  ///< "name=version" is taken as it stands.
  std::vector<std::string> others = {};  ///< In any version, with them.
  std::string version = {};
  std::string from = {};
};

/// What is fetched and from where. The machine must be of the wanted release:
/// its repositories and their keys are used, and those of `repository_files`.
struct Download {
  packages::Tool tool = packages::Tool::kApt;
  facts::OsRelease os;
  /// "dkms", "kernel-devel=5.14.0-1": as Actions have them.
  std::vector<std::string> wanted;
  std::vector<SetToFetch> sets = {};
  std::vector<packages::FileToHave> repository_files;
  /// dnf: "nvidia-driver:580-open", enabled before.
  std::vector<std::string> module_streams;
  packages::Proxy proxy;
  /// Where this machine's configuration lies: "/"; another in tests.
  std::string machine_root = "/";
  /// NAME=value for the tools; for tests.
  std::vector<std::string> environment;
};

struct Downloaded {
  std::vector<std::string> files;  ///< Names, sorted.
  /// What each of the sets became, in their order: "name=version", and a name
  /// alone of `others`.
  std::vector<std::vector<std::string>> sets;
};

/// Why this can't be done with such packages here, in words with the way out;
/// nothing if it can. zypper can't be asked for all that a package needs.
Result<void> check_download(const Download& download);

/// Lays `root` (an empty directory of the caller's, to be removed by it), and
/// fetches into `directory`, which then has an index as well: apt-ftparchive's
/// or createrepo_c's.
Result<Downloaded> download_packages(const Download& download,
                                     const std::string& root,
                                     const std::string& directory,
                                     host::CommandRunner& runner);

/// Keys that packages fetched so are signed with, as files of `root` and the
/// machine: absolute paths. Debian's packages are not signed themselves: none.
std::vector<std::string> key_files(const Download& download,
                                   const std::string& root);

}  // namespace gpunode::offline
