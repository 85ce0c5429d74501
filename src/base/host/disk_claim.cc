#include "base/host/disk_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace gpunode::host {
namespace {

Error in_use(const std::string& path) {
  return {ErrorCode::kUnavailable,
          "claim " + path +
              ": the kernel or another program has it in use (mounted, swap, "
              "RAID, LVM or LUKS member, or being worked on)"};
}

/// Opens the device that `plain` stands for once more, whatever its name means
/// by now.
Result<UniqueFd> open_exclusively(const UniqueFd& plain, int flags,
                                  const std::string& path) {
  const std::string self = "/proc/self/fd/" + std::to_string(plain.get());
  UniqueFd fd(::open(self.c_str(), flags | O_EXCL | O_CLOEXEC));
  if (fd) return fd;
  if (errno == EBUSY) return in_use(path);
  return Error::from_errno("claim " + path, errno);
}

}  // namespace

Result<DiskClaim> DiskClaim::take(const HostRoot& host, const std::string& path,
                                  std::optional<DeviceNumber> expected,
                                  Access access) {
  const int flags = access == Access::kRead ? O_RDONLY : O_RDWR;
  const std::string shown = host.outside(path);
  // O_NONBLOCK: neither a FIFO nor a drive without a medium may hold us.
  TRY(UniqueFd plain, host.open(path, flags | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (::fstat(plain.get(), &status) != 0) {
    return Error::from_errno("claim " + shown, errno);
  }
  if (!S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument,
                 "claim " + shown + ": neither a block device nor a file");
  }
  if (expected && DeviceNumber::of(status.st_rdev) != *expected) {
    return Error(ErrorCode::kUnavailable,
                 "claim " + shown + ": is device " +
                     DeviceNumber::of(status.st_rdev).text() + " now and was " +
                     expected->text() + ": devices have been renumbered");
  }
  if (::flock(plain.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return in_use(shown);
    return Error::from_errno("lock " + shown, errno);
  }
  TRY(UniqueFd exclusive, open_exclusively(plain, flags, shown));
  return DiskClaim(shown, flags, std::move(plain), std::move(exclusive));
}

Result<void> DiskClaim::check_name() const {
  struct stat held {};
  struct stat named {};
  if (::fstat(plain_.get(), &held) != 0 || ::stat(path_.c_str(), &named) != 0) {
    return Error::from_errno("check that " + path_ + " is still there", errno);
  }
  const bool same =
      S_ISBLK(held.st_mode)
          ? S_ISBLK(named.st_mode) && held.st_rdev == named.st_rdev
          : held.st_dev == named.st_dev && held.st_ino == named.st_ino;
  if (same) return {};
  return Error(ErrorCode::kUnavailable,
               path_ + " is another device now than the one that was claimed");
}

Result<void> DiskClaim::lend(const std::function<Result<void>(int fd)>& work,
                             After after) {
  exclusive_.reset();
  auto done = work(plain_.get());
  if (after == After::kGiveUp) return done;
  auto again = open_exclusively(plain_, flags_, path_);
  if (!again) return done ? std::move(again).error() : std::move(done).error();
  exclusive_ = *std::move(again);
  return done;
}

}  // namespace gpunode::host
