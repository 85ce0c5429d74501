// The host's files, wherever they are mounted.
//
// An agent in a container sees the host, or the driver's files, under a prefix
// such as /driver-root, and tests see a host made of literals. Every path of
// the host goes through one of these values, and what is inside cannot lead a
// reader out of it (root_walk.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::host {

enum class FileKind {
  kRegular,
  kDirectory,
  kLink,
  kCharDevice,
  kBlockDevice,
  kSocket,
  kOther
};

/// What is at a path, links followed.
struct FileStatus {
  FileKind kind = FileKind::kOther;
  std::uint32_t mode = 0;  ///< Permission bits only: 0644.
  std::uint64_t size_bytes = 0;
  std::uint32_t device_major = 0;  ///< Of a device node.
  std::uint32_t device_minor = 0;
};

/// A prefix that stands for "/". Paths are given with or without a leading
/// slash and mean the same; errors name the path with the prefix. Const and
/// stateless: any thread, and a root that is mounted later is found then.
///
/// The root "/" is opened as any program would, without confinement: there is
/// nothing outside it.
class HostRoot {
 public:
  HostRoot() : HostRoot("/") {}
  explicit HostRoot(std::string prefix);

  const std::string& prefix() const { return prefix_; }

  /// Prefix and path joined as text. For messages and for handing to other
  /// programs; to open it is to trust every link in it.
  std::string outside(const std::string& path) const;

  /// open(2) inside the root; `flags` without O_CREAT. O_CLOEXEC is added.
  Result<UniqueFd> open(const std::string& path, int flags) const;

  /// The whole of a regular file, those of /proc and /sys included; anything
  /// else is kInvalidArgument, more than `limit_bytes` kCorrupt.
  Result<std::string> read_file(const std::string& path,
                                std::size_t limit_bytes = std::size_t{4}
                                                          << 20) const;

  /// True if something is there, links followed. What may not be looked at
  /// counts as absent.
  bool exists(const std::string& path) const;

  /// kNotFound if nothing is there.
  Result<FileStatus> status(const std::string& path) const;

  /// The text of a link, unresolved.
  Result<std::string> read_link(const std::string& path) const;

  /// Where `path` leads with every link followed inside the root, as a path
  /// that this process can open: "/driver-root/usr/lib/libx.so.1.2". For
  /// dlopen(3) and the like, which do not take descriptors.
  Result<std::string> resolve(const std::string& path) const;

  /// Names in a directory, sorted, without "." and "..".
  Result<std::vector<std::string>> list_directory(
      const std::string& path) const;

  /// How many entries a directory has, without "." and ".."; counting ends at
  /// `limit`.
  Result<std::size_t> count_entries(const std::string& path,
                                    std::size_t limit) const;

 private:
  std::string prefix_;  // Without a trailing slash, but for "/" itself.
};

}  // namespace gpunode::host
