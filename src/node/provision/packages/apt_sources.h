// The sources of apt, as others wrote them: sources.list and deb822. Which
// components of the distribution's own archive they take, and more of them.
// Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gpunode::packages {

/// Files by path, and what of them is to change.
struct ComponentEdits {
  /// Some source is the distribution's own archive. If none is, nothing can be
  /// added to it.
  bool has_archive = false;
  std::map<std::string, std::string> files;  ///< Those that change, anew.
  std::vector<std::string> missing;  ///< Components that some source lacks.
};

/// Adds `components` to every source of the archive that has "main" and lacks
/// one of them: sources of the suite `codename`, its updates and its security.
/// A component that another source has of the same archive and suite is not
/// lacking. Sources of third parties stay as they are: those signed by another
/// key than the distribution's, or whose address is not like its archive's.
ComponentEdits with_components(const std::map<std::string, std::string>& files,
                               std::string_view codename,
                               const std::vector<std::string>& components);

/// "http://me:secret@Host:80/a/b/" as {"host", "a/b"}; no host of a directory.
std::pair<std::string, std::string> host_and_path(std::string_view uri);

}  // namespace gpunode::packages
