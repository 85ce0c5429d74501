// Paths of a container's root as its programs will find them: links are
// followed one by one, and what a volume covers is told from what is there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// A mount's destination as a path: absolute, without "//", ".", ".." and a
/// slash at its end. "/" for the root.
std::string clean_destination(std::string_view destination);

/// `path` is `folder` or lies below it. Both clean.
bool lies_in(std::string_view path, std::string_view folder);

/// A root, and the volumes that will be mounted in it. Borrows the root. What
/// it says of a tree that changes is true of some moment.
class ImageView {
 public:
  /// `volumes`: destinations as config.json has them; links of the image in
  /// them are followed.
  ImageView(const host::RootDirectory& root,
            const std::vector<std::string>& volumes);

  struct Place {
    enum class Where {
      kImage,
      kVolume,   ///< It is one's, or the way to it leads through one.
      kNowhere,  ///< Nothing is there, or links go round.
    };
    Where where = Where::kNowhere;
    /// Without links, as far as there is something.
    std::string path;
  };
  /// `path` is absolute. ".." is the parent of where a link has led to.
  Place locate(std::string_view path) const;

 private:
  bool is_volumes(std::string_view path) const;

  const host::RootDirectory& root_;
  std::vector<std::string> volumes_;
};

}  // namespace gpunode::hook
