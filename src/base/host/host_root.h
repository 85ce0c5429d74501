// The host's files, wherever they are mounted.
//
// An agent in a container sees the host, or the driver's files, under a prefix
// such as /driver-root, and tests see a host made of literals. Every path of
// the host goes through one of these values, and what is inside cannot lead a
// reader out of it (root_walk.h).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/host/host_reads.h"

namespace gpunode::host {

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

  /// A root whose reads `reads` answers: paths are still shown below `prefix`.
  /// It has no files: open() is kUnsupported. Copies share it.
  HostRoot(std::string prefix, std::shared_ptr<HostReads> reads);

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

  /// An extended attribute, any bytes: "security.selinux". kNotFound if it has
  /// none of this name, or its file system has no such thing. Needs /proc.
  Result<std::string> read_attribute(const std::string& path,
                                     const std::string& name) const;

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
  std::shared_ptr<HostReads> reads_;  // Null: files answer.
};

}  // namespace gpunode::host
