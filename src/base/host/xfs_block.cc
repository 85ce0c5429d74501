#include "base/host/xfs_block.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/host/filesystem_superblock.h"

namespace gpunode::host {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kUuidBytes = 16;

/// A mark at the start, and where the UUID is then. The kernel's
/// fs/xfs/libxfs/xfs_format.h and xfs_log_format.h.
struct Kind {
  std::string_view mark;
  std::size_t uuid_at;
};
constexpr auto kKinds = std::to_array<Kind>({
    {"XFSB"sv, 32},               // xfs_dsb
    {"XAGF"sv, 64},               // xfs_agf
    {"XAGI"sv, 296},              // xfs_agi
    {"XAFL"sv, 8},                // xfs_agfl
    {"AB3B"sv, 32},               // xfs_btree_block, short form: free space
    {"AB3C"sv, 32},               // the same by size
    {"IAB3"sv, 32},               // inodes
    {"FIB3"sv, 32},               // free inodes
    {"R3FC"sv, 32},               // shared blocks
    {"RMB3"sv, 32},               // owners of blocks
    {"\xfe\xed\xba\xbe"sv, 304},  // xlog_rec_header
});

/// xfs_dinode, of version 3.
constexpr std::string_view kInode = "IN"sv;
constexpr std::size_t kInodeVersionAt = 4;
constexpr std::size_t kInodeUuidAt = 160;

std::string uuid_at(std::string_view bytes, std::size_t at) {
  if (bytes.size() < at + kUuidBytes) return "";
  return uuid_text(bytes.substr(at, kUuidBytes));
}

}  // namespace

std::string xfs_block_uuid(std::string_view bytes) {
  const auto* kind = std::ranges::find_if(
      kKinds, [&](const Kind& one) { return bytes.starts_with(one.mark); });
  if (kind != kKinds.end()) return uuid_at(bytes, kind->uuid_at);
  const bool is_inode = bytes.starts_with(kInode) &&
                        bytes.size() > kInodeVersionAt &&
                        bytes[kInodeVersionAt] == 3;
  return is_inode ? uuid_at(bytes, kInodeUuidAt) : "";
}

}  // namespace gpunode::host
