// What is mounted where: /proc/self/mountinfo.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/device_number.h"
#include "base/host/host_root.h"

namespace gpunode::host {

/// One mount; proc(5), section mountinfo. Escapes (\040) are resolved, so
/// texts may hold any byte but NUL: show them through printable().
struct Mount {
  std::uint64_t id = 0;
  std::uint64_t parent_id = 0;
  /// Of the file system. Major 0 for those on no device, and for btrfs, whose
  /// `source` names one of its devices.
  DeviceNumber device;
  std::string root;           ///< What of the file system: "/" if all of it.
  std::string mount_point;    ///< As seen from the process's root.
  std::string options;        ///< Of this mount: "rw,nosuid".
  std::string type;           ///< "xfs", "fuse.sshfs".
  std::string source;         ///< "/dev/nvme1n1", "tmpfs", "none".
  std::string super_options;  ///< Of the file system, for all its mounts.
  bool shared = false;        ///< Events go to peers ("shared:N").

  friend bool operator==(const Mount&, const Mount&) = default;
};

/// True if `options`, comma-separated, has this one: "ro", "prjquota".
bool has_option(std::string_view options, std::string_view wanted);

/// One mount a line, in the order of the table. kCorrupt with the number of the
/// line for what mountinfo cannot be: a table that is half read would let a
/// mounted disk look free.
Result<std::vector<Mount>> parse_mount_table(std::string_view text);

/// The mounts that this process sees and those that the first process of the
/// host sees, which in a container or under another root are the host's. Equal
/// lines are there once.
Result<std::vector<Mount>> read_mount_table(const HostRoot& host);

/// What `path` is on: the last mount whose mount point is `path` or a directory
/// above it. Null if there is none. The path must have no links.
const Mount* mount_of(const std::vector<Mount>& mounts, std::string_view path);

/// Resolves the octal escapes of /proc's tables: "\040" is a blank.
std::string unescape_octal(std::string_view text);

}  // namespace gpunode::host
