#include "base/host/filesystem_superblock.h"

#include <fcntl.h>

#include <array>
#include <bit>

#include "base/host/block_device.h"
#include "base/host/device_read.h"

namespace gpunode::host {
namespace {

/// Fields of a structure at fixed places, in either order of bytes.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t big(std::size_t offset, std::size_t size) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8U | static_cast<unsigned char>(bytes_[offset + i]);
    }
    return value;
  }

  std::uint64_t little(std::size_t offset, std::size_t size) const {
    std::uint64_t value = 0;
    for (std::size_t i = size; i > 0; --i) {
      value = value << 8U | static_cast<unsigned char>(bytes_[offset + i - 1]);
    }
    return value;
  }

  std::string uuid(std::size_t offset) const {
    return uuid_text(bytes_.substr(offset, 16));
  }

  std::string label(std::size_t offset, std::size_t size) const {
    const std::string_view text = bytes_.substr(offset, size);
    return device_text(text.substr(0, text.find('\0')));
  }

 private:
  std::string_view bytes_;
};

/// CRC-32C (Castagnoli), reflected, without the inversions at either end.
std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes) {
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
    }
  }
  return crc;
}

Error corrupt(const char* what) {
  return {ErrorCode::kCorrupt, std::string("superblock: ") + what};
}

Result<FilesystemSuperblock> parse_xfs(std::string_view bytes) {
  constexpr std::size_t kChecksumAt = 224;
  constexpr std::uint64_t kEntryTypesV5 = 0x1;    // Incompatible features.
  constexpr std::uint64_t kEntryTypesV4 = 0x200;  // features2.
  const Fields fields(bytes);
  FilesystemSuperblock found;
  found.type = FilesystemType::kXfs;
  found.block_bytes = static_cast<std::uint32_t>(fields.big(4, 4));
  const std::uint64_t blocks = fields.big(8, 8);
  found.uuid = fields.uuid(32);
  const std::uint64_t version = fields.big(100, 2) & 0xfU;
  const std::uint64_t sector = fields.big(102, 2);
  found.label = fields.label(108, 12);
  if (!std::has_single_bit(found.block_bytes) || found.block_bytes < 512 ||
      found.block_bytes > 65536 || blocks == 0 ||
      blocks > UINT64_MAX / found.block_bytes) {
    return corrupt("no xfs has such a size");
  }
  found.size_bytes = blocks * found.block_bytes;
  // sb_inprogress: mkfs writes the superblock early and clears this last.
  if (fields.big(126, 1) != 0) return corrupt("mkfs.xfs was cut off");
  if (version == 4) {
    found.entry_types = (fields.big(200, 4) & kEntryTypesV4) != 0;
    return found;
  }
  if (version != 5) return corrupt("xfs of an unknown version");
  if (!std::has_single_bit(sector) || sector < 512 ||
      sector > kSuperblockBytes) {
    return corrupt("no xfs has such sectors");
  }
  found.entry_types = (fields.big(216, 4) & kEntryTypesV5) != 0;
  // Over the whole sector, with zero in the place of the checksum.
  std::uint32_t crc = crc32c(~0U, bytes.substr(0, kChecksumAt));
  crc = crc32c(crc, std::string_view("\0\0\0\0", 4));
  crc = crc32c(crc, bytes.substr(kChecksumAt + 4, sector - kChecksumAt - 4));
  if (~crc != fields.little(kChecksumAt, 4)) {
    return corrupt("the checksum of xfs is wrong");
  }
  found.checksummed = true;
  return found;
}

Result<FilesystemSuperblock> parse_ext4(std::string_view bytes) {
  constexpr std::size_t kBytes = 1024;
  constexpr std::size_t kChecksumAt = 0x3fc;
  constexpr std::uint64_t kFileType = 0x2;
  constexpr std::uint64_t kExtents = 0x40;
  constexpr std::uint64_t k64Bit = 0x80;
  constexpr std::uint64_t kMetadataChecksums = 0x400;  // Read-only compatible.
  const std::string_view super = bytes.substr(1024, kBytes);
  const Fields fields(super);
  const std::uint64_t incompatible = fields.little(0x60, 4);
  if ((incompatible & kExtents) == 0) {
    return Error(ErrorCode::kNotFound, "superblock: ext2 or ext3");
  }
  const std::uint64_t log_block = fields.little(0x18, 4);
  if (log_block > 6) return corrupt("no ext4 has such blocks");
  FilesystemSuperblock found;
  found.type = FilesystemType::kExt4;
  found.block_bytes = std::uint32_t{1024} << log_block;
  std::uint64_t blocks = fields.little(0x4, 4);
  if ((incompatible & k64Bit) != 0) blocks |= fields.little(0x150, 4) << 32U;
  if (blocks == 0 || blocks > UINT64_MAX / found.block_bytes) {
    return corrupt("no ext4 has such a size");
  }
  found.size_bytes = blocks * found.block_bytes;
  found.uuid = fields.uuid(0x68);
  found.label = fields.label(0x78, 16);
  found.entry_types = (incompatible & kFileType) != 0;
  if ((fields.little(0x64, 4) & kMetadataChecksums) != 0) {
    if (crc32c(~0U, super.substr(0, kChecksumAt)) !=
        fields.little(kChecksumAt, 4)) {
      return corrupt("the checksum of ext4 is wrong");
    }
    found.checksummed = true;
  }
  return found;
}

}  // namespace

std::string_view word(FilesystemType type) {
  return type == FilesystemType::kXfs ? "xfs" : "ext4";
}

Result<FilesystemSuperblock> parse_superblock(std::string_view bytes) {
  constexpr std::string_view kExtMagic("\x53\xef", 2);
  if (bytes.size() < kSuperblockBytes) {
    return Error(ErrorCode::kNotFound, "superblock: the device is too small");
  }
  if (bytes.starts_with("XFSB")) return parse_xfs(bytes);
  if (bytes.substr(1024 + 0x38, 2) == kExtMagic) return parse_ext4(bytes);
  return Error(ErrorCode::kNotFound, "superblock: neither xfs nor ext4");
}

Result<FilesystemSuperblock> read_superblock(int fd) {
  // What was cached before a mkfs is no witness of it.
  static_cast<void>(
      ::posix_fadvise(fd, 0, kSuperblockBytes, POSIX_FADV_DONTNEED));
  std::array<char, kSuperblockBytes> bytes{};
  TRY_VOID(read_device(fd, 0, bytes.data(), bytes.size()));
  return parse_superblock({bytes.data(), bytes.size()});
}

std::string uuid_text(std::string_view bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace gpunode::host
