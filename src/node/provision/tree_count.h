// How much is in a directory tree.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/core/result.h"

namespace gpunode::provision {

/// Sums over a tree on one file system; equal for two trees that are copies.
struct TreeCount {
  std::uint64_t entries = 0;        ///< Of every kind, the top not counted.
  std::uint64_t content_bytes = 0;  ///< Of regular files, each inode once.
  std::uint64_t disk_bytes = 0;     ///< What they take, holes not counted.
  std::uint64_t linked = 0;         ///< Names beyond the first of an inode.

  bool is_copy_of(const TreeCount& other) const {
    return entries == other.entries && content_bytes == other.content_bytes &&
           linked == other.linked;
  }
};

/// Links are not followed, and other file systems below are not entered.
/// Names in `skipped` are left out at the top.
Result<TreeCount> count_tree(const std::string& path,
                             const std::set<std::string>& skipped = {});

}  // namespace gpunode::provision
