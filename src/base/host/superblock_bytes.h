// For tests: superblocks as mkfs.xfs and mkfs.ext4 write them, as far as they
// are read here. That the real ones are read too is tests/storage's to say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpunode::host {

/// Puts `size` bytes of a number at a place; most significant first if `big`.
inline void put_number(std::string& bytes, std::size_t offset, std::size_t size,
                       std::uint64_t value, bool big) {
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t shift = 8 * (big ? size - 1 - i : i);
    bytes[offset + i] = static_cast<char>(value >> shift);
  }
}

inline void put_text(std::string& bytes, std::size_t offset,
                     std::string_view text) {
  bytes.replace(offset, text.size(), text);
}

/// The sixteen bytes 01 23 45 … of "01234567-89ab-cdef-0123-456789abcdef".
inline constexpr const char* kSampleUuid =
    "01234567-89ab-cdef-0123-456789abcdef";
inline std::string sample_uuid_bytes() {
  constexpr std::string_view kHalf("\x01\x23\x45\x67\x89\xab\xcd\xef", 8);
  return std::string(kHalf) + std::string(kHalf);
}

/// Bitwise, and so another way than the one under test.
inline std::uint32_t sample_crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char c : bytes) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      const unsigned in = (static_cast<unsigned char>(c) >> bit) & 1U;
      const unsigned out = (crc & 1U) ^ in;
      crc = (crc >> 1U) ^ (out != 0 ? 0x82f63b78U : 0U);
    }
  }
  return crc;
}

/// xfs version 5 of 1 GiB, 4 KiB blocks and 512-byte sectors.
inline std::string xfs_superblock(std::string_view label = "",
                                  bool entry_types = true) {
  std::string bytes(4096, '\0');
  put_text(bytes, 0, "XFSB");
  put_number(bytes, 4, 4, 4096, true);
  put_number(bytes, 8, 8, 262144, true);
  put_text(bytes, 32, sample_uuid_bytes());
  put_number(bytes, 100, 2, 0xb4a5, true);
  put_number(bytes, 102, 2, 512, true);
  put_text(bytes, 108, label);
  put_number(bytes, 216, 4, entry_types ? 0xb : 0xa, true);
  put_number(bytes, 224, 4, ~sample_crc32c(bytes.substr(0, 512)), false);
  return bytes;
}

/// Swap space as mkswap(8) makes it where a page has so many bytes.
inline std::string swap_space(std::size_t page_bytes = 4096) {
  std::string bytes(page_bytes, '\0');
  put_number(bytes, 1024, 4, 1, false);
  put_text(bytes, 1036, sample_uuid_bytes());
  put_text(bytes, page_bytes - 10, "SWAPSPACE2");
  return bytes;
}

/// ext4 of 1 GiB, 4 KiB blocks, with metadata_csum.
inline std::string ext4_superblock(std::string_view label = "") {
  std::string bytes(4096, '\0');
  std::string super(1024, '\0');
  put_number(super, 0x4, 4, 262144, false);
  put_number(super, 0x18, 4, 2, false);
  put_text(super, 0x38, "\x53\xef");
  put_number(super, 0x60, 4, 0x2c2, false);
  put_number(super, 0x64, 4, 0x46b, false);
  put_text(super, 0x68, sample_uuid_bytes());
  put_text(super, 0x78, label);
  put_number(super, 0x3fc, 4, sample_crc32c(super.substr(0, 0x3fc)), false);
  put_text(bytes, 1024, super);
  return bytes;
}

}  // namespace gpunode::host
