#include "node/provision/disk_eraser.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include <fmt/format.h>

#include "base/host/disk_signature.h"

namespace gpunode::provision {
namespace {

/// Superblocks and labels of members lie within.
constexpr std::uint64_t kHead = std::uint64_t{64} << 10U;

Result<void> write_zeros(int fd, std::uint64_t from, std::uint64_t size,
                         const std::string& path) {
  static constexpr std::array<char, 65536> kZeros{};
  while (size > 0) {
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(size, kZeros.size()));
    const ssize_t n =
        ::pwrite(fd, kZeros.data(), part, static_cast<off_t>(from));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error::from_errno("zero " + path, n < 0 ? errno : EIO);
    from += static_cast<std::uint64_t>(n);
    size -= static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<void> zero_range(int fd, std::uint64_t from, std::uint64_t size,
                        const std::string& path) {
  std::array<std::uint64_t, 2> range = {from, size};
  if (::ioctl(fd, BLKZEROOUT, range.data()) == 0) return {};
  // A regular file.
  if (errno == ENOTTY) return write_zeros(fd, from, size, path);
  return Error::from_errno("zero " + path, errno);
}

Result<void> sync(int fd, const std::string& path) {
  if (::fsync(fd) == 0) return {};
  return Error::from_errno("sync " + path, errno);
}

}  // namespace

Result<void> zero_disk(int fd, std::uint64_t size_bytes,
                       const std::string& path) {
  // Piece by piece, so that a stop is noticed and no request is too large.
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 30U;
  const std::uint64_t head = std::min(kHead, size_bytes);
  for (std::uint64_t end = size_bytes; end > head;) {
    const std::uint64_t begin = std::max(head, (end - 1) / kPiece * kPiece);
    TRY_VOID(zero_range(fd, begin, end - begin, path));
    end = begin;
  }
  TRY_VOID(sync(fd, path));
  TRY_VOID(zero_range(fd, 0, head, path));
  return sync(fd, path);
}

Result<void> erase_signatures(int fd, std::uint64_t size_bytes,
                              const std::string& path) {
  // Tables and superblocks have copies; more than these is no disk.
  constexpr int kMostRounds = 64;
  constexpr std::uint64_t kAround = 4096;
  const std::uint64_t edge =
      std::min<std::uint64_t>(std::uint64_t{1} << 20U, size_bytes);
  TRY_VOID(zero_range(fd, size_bytes - edge, edge, path));
  TRY_VOID(zero_range(fd, 0, edge, path));
  for (int round = 0; round < kMostRounds; ++round) {
    TRY_VOID(sync(fd, path));
    TRY(const auto found, host::find_disk_signatures(fd, size_bytes));
    if (found.empty()) return {};
    for (const host::DiskSignature& signature : found) {
      const std::uint64_t begin = signature.offset_bytes / kAround * kAround;
      if (begin >= size_bytes) continue;
      TRY_VOID(
          zero_range(fd, begin, std::min(kAround, size_bytes - begin), path));
    }
  }
  return Error(
      ErrorCode::kInternal,
      fmt::format("erase {}: it still says that it is somebody's", path));
}

}  // namespace gpunode::provision
