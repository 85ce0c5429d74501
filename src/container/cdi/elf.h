// The two things that a driver library's ELF header tells us.
//
// A bounded reader of its own instead of a library: the file belongs to a
// driver root that may be a container image, and three small reads are all it
// takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gpunode::cdi {

struct ElfFacts {
  bool is_64bit = false;
  std::string soname;  ///< DT_SONAME; empty if there is none.

  bool operator==(const ElfFacts&) const = default;
};

/// Bytes at offsets, from wherever.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  /// Fills the front of `to` from `offset`; returns how much there was.
  virtual std::size_t read_at(std::uint64_t offset, std::span<char> to) = 0;
};

/// Nothing if the bytes are no little-endian ELF file of 32 or 64 bits. A
/// damaged or hostile one has no soname; nothing it says makes us read more
/// than 100 KB or outside of it.
std::optional<ElfFacts> read_elf(ByteSource& source);

/// Of an open file; its position does not matter and stays.
std::optional<ElfFacts> read_elf_file(int fd);

/// Of bytes in memory.
std::optional<ElfFacts> read_elf_bytes(std::string_view bytes);

}  // namespace gpunode::cdi
