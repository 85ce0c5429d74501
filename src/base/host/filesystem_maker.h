// Making a file system on a claimed disk, and proving that it is the one that
// was asked for.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/disk_claim.h"
#include "base/host/filesystem_superblock.h"
#include "base/host/host_root.h"

namespace gpunode::host {

/// The file system to make. Its UUID is chosen beforehand, so that mount units
/// can be written, and compared, before the disk is touched.
struct FilesystemWish {
  FilesystemType type = FilesystemType::kXfs;
  std::string uuid;   ///< As random_uuid() writes it.
  std::string label;  ///< At most 12 bytes for xfs, 16 for ext4; may be "".
  /// Make it over what is there. Only for a disk whose owner said so by its
  /// serial; without it a signature of any kind is a refusal.
  bool overwrite = false;
  /// Tell the disk first that all of it is free. Disks of instances are so
  /// already, and others can take minutes over it.
  bool discard = false;
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

/// The command that makes it on `device`, with the host's own mkfs, since newer
/// ones make what the host's kernel may not mount. kInvalidArgument for a label
/// or UUID that can't be; kNotFound if the host has no such mkfs, with the
/// package that has.
Result<Command> filesystem_command(const HostRoot& host,
                                   const FilesystemWish& wish,
                                   const std::string& device);

/// Runs that command on a disk claimed for writing, and reads back what is on
/// it then. Without `overwrite` the disk is looked at once more between the
/// claim and mkfs, because mkfs.ext4 without a terminal asks nobody and writes
/// over anything. On failure the disk may hold half a file system. The runner's
/// programs must be those of `host`.
Result<FilesystemSuperblock> make_filesystem(const HostRoot& host,
                                             CommandRunner& runner,
                                             DiskClaim& disk,
                                             const FilesystemWish& wish);

/// What differs between a wish and what is there, for an error or a plan; "" if
/// nothing does and overlayfs can work on it.
std::string difference(const FilesystemWish& wish,
                       const FilesystemSuperblock& there);

/// A new random (version 4) UUID in lower case. An Error without getrandom(2).
Result<std::string> random_uuid();

/// 8-4-4-4-12 lower-case hexadecimal digits, not all of them zero.
bool is_uuid(std::string_view text);

}  // namespace gpunode::host
