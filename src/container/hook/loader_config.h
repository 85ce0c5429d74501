// Where a container's loader looks for libraries: ld.so.conf and its includes.
//
// The files are the image's, so everything about them is bounded, and what is
// no regular file is not opened. What is ignored is named in `warnings`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// One line of a configuration, taken apart. Passive data.
struct LoaderLine {
  enum class Kind { kNothing, kDirectory, kInclude };
  Kind kind = Kind::kNothing;
  /// The directory, or the patterns of files to include.
  std::vector<std::string> values;
};

/// Reads a line as ldconfig does: "#" starts a comment anywhere, "hwcap" lines
/// are ignored, a library type after "=" is dropped.
LoaderLine parse_loader_line(std::string_view line);

struct LoaderConfig {
  /// As written, without trailing slashes, in their order; may name what is not
  /// there, and one directory twice.
  std::vector<std::string> directories;
  std::vector<std::string> warnings;
};

/// Reads /etc/ld.so.conf and what it includes, but for the files of which
/// `is_ours` holds (their paths in the root). Without a file there is nothing.
LoaderConfig read_loader_config(const host::RootDirectory& root,
                                bool (*is_ours)(std::string_view path));

/// The files in the root that match an absolute path with *, ? and [] in any
/// component, sorted. At most 4096.
std::vector<std::string> glob_in_root(const host::RootDirectory& root,
                                      std::string_view pattern);

/// The directories that glibc searches without being told, for the layout of
/// this root, in ldconfig's order: Debian's with a triplet where
/// /usr/lib/<triplet> or /lib/<triplet> is there, else /lib, /lib64, ….
std::vector<std::string> system_directories(const host::RootDirectory& root);

}  // namespace gpunode::hook
