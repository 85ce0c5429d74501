// Which file system is on a device, from its own superblock.
//
// Reads the two kinds that are made here, and more of them than libblkid tells:
// whether directories know the types of their entries, without which overlayfs
// does not work. Pure; sources: "XFS Filesystem Structure" (xfs_dsb) and the
// kernel's ext4 layout (Documentation/filesystems/ext4/super.rst).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::host {

enum class FilesystemType { kXfs, kExt4 };

/// "xfs", "ext4": as mount(8) and fstab have it.
std::string_view word(FilesystemType type);

/// What a superblock says.
struct FilesystemSuperblock {
  FilesystemType type = FilesystemType::kXfs;
  std::string uuid;   ///< Lower case, with dashes.
  std::string label;  ///< Cleaned (device_text()); "" if there is none.
  std::uint64_t size_bytes = 0;
  std::uint32_t block_bytes = 0;
  /// Directory entries carry their type (xfs: ftype=1), as overlayfs needs.
  bool entry_types = false;
  /// The superblock has a checksum, and it is right. xfs has one since version
  /// 5; ext4 with metadata_csum.
  bool checksummed = false;

  friend bool operator==(const FilesystemSuperblock&,
                         const FilesystemSuperblock&) = default;
};

/// Bytes that parse_superblock() needs of the start of a device.
inline constexpr std::size_t kSuperblockBytes = 4096;

/// Of xfs or ext4, by their first bytes: what any device starts with. kNotFound
/// if neither is there, kCorrupt if one is there and cannot be: a wrong
/// checksum, sizes that no mkfs makes.
Result<FilesystemSuperblock> parse_superblock(std::string_view bytes);

/// parse_superblock() of an open device or file.
Result<FilesystemSuperblock> read_superblock(int fd);

/// 16 bytes as libblkid and people write a UUID: lower case, 8-4-4-4-12.
std::string uuid_text(std::string_view bytes);

}  // namespace gpunode::host
