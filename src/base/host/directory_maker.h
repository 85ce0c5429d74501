// Making directories in a tree that may hold links of anybody's making.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/unique_fd.h"
#include "base/host/root_walk.h"

namespace gpunode::host {

/// The components of a path, "." and ".." taken out of its text.
std::vector<std::string> path_components(std::string_view path);

/// The components as an absolute path; "/" if there are none.
std::string joined_path(const std::vector<std::string>& names);

/// The text of the link `name` in `directory`; of the descriptor itself, opened
/// with O_NOFOLLOW, if `name` is empty. On failure errno tells.
std::optional<std::string> link_text(int directory, const std::string& name);

/// Makes directories one by one below a root, which must outlive it.
class DirectoryMaker {
 public:
  explicit DirectoryMaker(int root) : root_(root) {}

  /// Returns errno or 0; the last directory is in result() then.
  int run(const std::vector<std::string>& names);

  UniqueFd result() { return std::move(result_); }

 private:
  OpenOutcome open(const std::vector<std::string>& names) const;
  int make(int parent, const std::vector<std::string>& path);

  int root_;
  int links_ = 0;
  UniqueFd result_;
};

}  // namespace gpunode::host
