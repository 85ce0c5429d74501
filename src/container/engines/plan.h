// Which files are to change and how, before anything does.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gpunode::engines {

/// One file; nothing means that it is not there.
struct FileChange {
  std::string path;
  std::optional<std::string> before;
  std::optional<std::string> after;

  bool is_change() const { return before != after; }
};

struct EnginePlan {
  std::vector<FileChange> files;
  /// Decisions that a person should know of, a sentence each.
  std::vector<std::string> notes;

  bool is_change() const {
    for (const FileChange& file : files) {
      if (file.is_change()) return true;
    }
    return false;
  }
};

}  // namespace gpunode::engines
