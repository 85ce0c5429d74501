// Every entry of a directory tree on one file system, in the order of names.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <set>
#include <string>

#include "base/core/result.h"

namespace gpunode::provision {

struct TreeEntry {
  std::string path;  ///< With the tree's own.
  std::string name;  ///< Below the tree: "/a/b"; "" for the tree itself.
  struct stat status;
};

struct WalkOptions {
  std::set<std::string> skipped = {};  ///< Names left out at the top.
  /// Somebody is at work there: names that vanish were never there.
  bool is_live = false;
};

/// Tells `visit` of the tree itself and of every entry below it, a directory
/// before what is in it; two trees with the same names are walked alike. Links
/// are not followed, and other file systems below are not entered. The first
/// Error of `visit` ends it.
Result<void> walk_tree(
    const std::string& path, const WalkOptions& options,
    const std::function<Result<void>(const TreeEntry&)>& visit);

}  // namespace gpunode::provision
