// A disk taken for ourselves, from the proof that it is blank to the end of the
// work on it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/host/device_number.h"
#include "base/host/host_root.h"

namespace gpunode::host {

/// A whole disk opened O_EXCL, which the kernel refuses for what is mounted,
/// swapped to, or held by md, dm or another claim, in any namespace, and locked
/// (flock) as systemd-udevd asks of who re-writes a disk, so that udev does not
/// look at it meanwhile. Closing gives both up.
class DiskClaim {
 public:
  enum class Access {
    kRead,      ///< Proof alone; udev is not told of a change afterwards.
    kReadWrite  ///< For who will write.
  };

  /// What becomes of the O_EXCL part after it was lent.
  enum class After {
    kTakeAgain,
    kGiveUp  ///< The work hands the device to the kernel: md, dm, a mount.
  };

  /// Claims `path`. If `expected` is given and the path is another device by
  /// now, that is kUnavailable, and so is a device in use; nothing is waited
  /// for.
  /// A regular file may be claimed too, for tests and images: it is locked, and
  /// nothing else keeps others out.
  static Result<DiskClaim> take(const HostRoot& host, const std::string& path,
                                std::optional<DeviceNumber> expected,
                                Access access);

  /// The claimed descriptor, for reading and, as asked for, writing; -1 once
  /// given up.
  int fd() const { return exclusive_.get(); }
  const std::string& path() const { return path_; }

  /// kUnavailable if path() is another device by now: a disk was pulled, or
  /// devices were renumbered. For who hands the path to another program.
  Result<void> check_name() const;

  /// Runs `work` without the O_EXCL part of the claim, because programs like
  /// mkfs.xfs take it themselves, and takes it again after. The lock is kept,
  /// and the device stays the same whatever happens to its name. Between the
  /// two nothing keeps another program out but that program's own care and
  /// mkfs's: what is to be written must be refused by its writer if the disk is
  /// not blank (mkfs.xfs without -f). An Error of `work` comes first.
  ///
  /// `work` gets a descriptor on the same device, for a last look. Given up,
  /// the claim is the lock alone: whoever `work` gave the device to keeps
  /// others out.
  Result<void> lend(const std::function<Result<void>(int fd)>& work,
                    After after = After::kTakeAgain);

 private:
  DiskClaim(std::string path, int flags, UniqueFd plain, UniqueFd exclusive)
      : path_(std::move(path)),
        flags_(flags),
        plain_(std::move(plain)),
        exclusive_(std::move(exclusive)) {}

  std::string path_;
  int flags_;
  UniqueFd plain_;  // Holds the lock, and the device while it is lent.
  UniqueFd exclusive_;
};

}  // namespace gpunode::host
