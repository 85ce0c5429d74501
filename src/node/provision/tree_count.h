// How much is in a directory tree, and what.
#pragma once

#include <cstdint>
#include <string>

#include "base/core/result.h"
#include "node/provision/tree_walk.h"

namespace gpunode::provision {

/// Sums over a tree on one file system; equal for two trees that are copies.
struct TreeCount {
  std::uint64_t entries = 0;        ///< Of every kind, the top not counted.
  std::uint64_t content_bytes = 0;  ///< Of regular files, each inode once.
  std::uint64_t disk_bytes = 0;     ///< What they take, holes not counted.
  std::uint64_t linked = 0;         ///< Names beyond the first of an inode.
  /// Digest of everything that a copy shares with the tree but the content of
  /// files: names, kinds, modes, owners, sizes, device numbers, what links
  /// point to, which names are one file, extended attributes. Times are not
  /// among it: file systems keep them with different precision and range.
  /// Empty of a tree that was live.
  std::string metadata = {};

  bool is_copy_of(const TreeCount& other) const {
    return entries == other.entries && content_bytes == other.content_bytes &&
           linked == other.linked && metadata == other.metadata;
  }
};

/// As walk_tree() sees it.
Result<TreeCount> count_tree(const std::string& path,
                             const WalkOptions& options = {});

}  // namespace gpunode::provision
