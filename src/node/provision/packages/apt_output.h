// What dpkg-query, apt-get and apt-cache print, read. All pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// The whole package database, as lines of facts::kDpkgFormat. Names of foreign
/// architectures keep theirs, as in apt-get's output ("libc6:i386"); the native
/// one is dpkg's own. Troubles are what `dpkg --audit` would tell.
Result<Observation> parse_dpkg_list(std::string_view text);

/// What `apt-get --simulate` would do: the "Inst", "Conf", "Remv" and "Purg"
/// lines. kCorrupt if one does not parse.
struct AptSimulation {
  std::vector<PackageChange> changes;
  std::vector<std::string> finishes;
};
Result<AptSimulation> parse_apt_simulation(std::string_view text);

/// What packages of a failed simulation need in exactly one version that apt
/// does not choose by itself: it takes the newest of what is not named.
std::vector<Wanted> exact_needs(std::string_view text);

/// Sizes of one version of a package, in bytes.
struct DebSizes {
  std::uint64_t download = 0;
  std::uint64_t installed = 0;
};

/// (name, version) -> sizes, from `apt-cache show`.
std::map<std::pair<std::string, std::string>, DebSizes> parse_apt_show(
    std::string_view text);

/// `apt-cache madison`, each version once.
std::vector<Candidate> parse_apt_madison(std::string_view text);

}  // namespace gpunode::packages
