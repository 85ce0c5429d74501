// What a shared object says of itself: its class, its name, who can load it.
//
// The file belongs to a container's image or a driver's root: every offset and
// count in it may be a lie, and it may change while we read. So it is read in
// pieces at most as large as they can honestly be, never mapped (a file that
// shrinks under a mapping kills us), and what does not fit is an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::host {

/// Bytes that can be read anywhere.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// Fills `out` from `offset`; false if the source ends before that or cannot
  /// be read.
  virtual bool read_at(std::uint64_t offset, std::span<char> out) const = 0;
};

/// An open file, its first page read once. Borrows the descriptor.
class FileBytes final : public ByteSource {
 public:
  explicit FileBytes(int fd);
  bool read_at(std::uint64_t offset, std::span<char> out) const override;

 private:
  int fd_;
  std::string first_page_;
};

/// Bytes in memory, borrowed.
class MemoryBytes final : public ByteSource {
 public:
  explicit MemoryBytes(std::string_view bytes) : bytes_(bytes) {}
  bool read_at(std::uint64_t offset, std::span<char> out) const override;

 private:
  std::string_view bytes_;
};

/// A shared object as the loader's cache sees it.
struct SharedObject {
  bool is_64bit = false;
  /// Which loader takes it; the `flags` of an entry of ld.so.cache (elf/cache.c
  /// of glibc): 0x0303 for x86-64, 0x0003 for i386, 0x0a03 for AArch64, ….
  std::int32_t cache_flags = 0;
  /// DT_SONAME; empty if there is none.
  std::string soname;
  /// The x86-64 level (0 to 3) whose instructions it needs, from its GNU
  /// property note.
  unsigned isa_level = 0;
};

/// A program as the kernel sees it.
struct ElfProgram {
  bool is_64bit = false;
  std::uint16_t machine = 0;  ///< EM_* of <elf.h>.
  /// PT_INTERP, the loader that the kernel starts; empty: a static program.
  std::string interpreter;
};

/// kInvalidArgument if it is no program of this byte order; kCorrupt if it
/// contradicts itself.
Result<ElfProgram> read_program(const ByteSource& source);

/// kInvalidArgument if it is no shared object of a machine we know; kCorrupt
/// if it contradicts itself or has a soname no file can have.
Result<SharedObject> read_shared_object(const ByteSource& source);

/// The descriptor of the note of `owner` in the section `section`. kNotFound
/// if there is no such section; kCorrupt if it holds anything else.
Result<std::string> read_note_section(const ByteSource& source,
                                      std::string_view section,
                                      std::string_view owner);

}  // namespace gpunode::host
