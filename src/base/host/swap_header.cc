#include "base/host/swap_header.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/host/device_read.h"
#include "base/host/filesystem_superblock.h"

namespace gpunode::host {
namespace {

/// include/linux/swap.h, union swap_header: the mark ends the first page, and
/// the rest is at the same place in each size of page.
constexpr std::string_view kMark = "SWAPSPACE2";
constexpr std::array<std::uint64_t, 5> kPageBytes = {4096, 8192, 16384, 32768,
                                                     65536};
constexpr std::uint64_t kUuidAt = 1024 + 12;
constexpr std::size_t kUuidBytes = 16;

}  // namespace

Result<std::string> read_swap_uuid(int fd) {
  for (const std::uint64_t page : kPageBytes) {
    std::string mark(kMark.size(), '\0');
    // A device that ends here has no such page.
    if (!read_device(fd, page - kMark.size(), mark.data(), mark.size())) break;
    if (mark != kMark) continue;
    std::string uuid(kUuidBytes, '\0');
    TRY_VOID(read_device(fd, kUuidAt, uuid.data(), uuid.size()));
    if (uuid == std::string(kUuidBytes, '\0')) return std::string();
    return uuid_text(uuid);
  }
  return Error(ErrorCode::kNotFound, "there is no swap space");
}

}  // namespace gpunode::host
