// config.json of a bundle: read once, replaced once or not at all.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::runtime {

struct BundleFile {
  std::string path;
  std::string text;
  mode_t mode = 0644;  ///< Permission bits.
};

/// One open and one read. kNotFound if there is none; kInvalidArgument if it
/// is no regular file, kCorrupt if it is larger than 256 MiB.
Result<BundleFile> read_bundle_file(const std::string& bundle);

/// Replaces the file by one with `text` and the old mode, in one step: a
/// process that is killed, or a full disk, leaves the old one as it was.
Result<void> replace_bundle_file(const BundleFile& file, std::string_view text);

}  // namespace gpunode::runtime
