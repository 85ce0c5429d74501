#include "base/host/elf_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include <elf.h>

namespace gpunode::host {
namespace {

// More than any real file has; what exceeds them is refused.
constexpr std::size_t kMaxSegments = 256;
constexpr std::size_t kMaxSections = 4096;
constexpr std::size_t kMaxDynamicBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxNoteBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxNameBytes = 255;   // NAME_MAX
constexpr std::size_t kMaxPathBytes = 4095;  // PATH_MAX, without the NUL

// FLAG_* of glibc's sysdeps/generic/ldconfig.h.
constexpr std::int32_t kElf = 0x0001;
constexpr std::int32_t kElfLibc6 = 0x0003;
constexpr std::int32_t kX8664Lib64 = 0x0300;
constexpr std::int32_t kX8664Libx32 = 0x0800;
constexpr std::int32_t kPowerpcLib64 = 0x0500;
constexpr std::int32_t kAarch64Lib64 = 0x0a00;
constexpr std::int32_t kArmLibhf = 0x0900;
constexpr std::int32_t kArmLibsf = 0x0b00;

constexpr std::uint32_t kGnuPropertySegment = 0x6474e553;
constexpr std::uint32_t kGnuPropertyNote = 5;         // NT_GNU_PROPERTY_TYPE_0
constexpr std::uint32_t kX86Isa1Needed = 0xc0008002;  // of the x86-64 psABI

struct Elf32 {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Section = Elf32_Shdr;
  using Dynamic = Elf32_Dyn;
};
struct Elf64 {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Section = Elf64_Shdr;
  using Dynamic = Elf64_Dyn;
};

Error corrupt(const char* what) {
  return {ErrorCode::kCorrupt, std::string("elf file: ") + what};
}

template <class T>
bool read_value(const ByteSource& source, std::uint64_t offset, T& value) {
  return source.read_at(
      offset, std::span<char>(reinterpret_cast<char*>(&value), sizeof value));
}

template <class T>
bool read_table(const ByteSource& source, std::uint64_t offset,
                std::vector<T>& table) {
  return source.read_at(offset,
                        std::span<char>(reinterpret_cast<char*>(table.data()),
                                        table.size() * sizeof(T)));
}

/// A text that ends with NUL after at most `limit` bytes; nothing if it does
/// not.
std::optional<std::string> read_text(const ByteSource& source,
                                     std::uint64_t offset, std::size_t limit) {
  std::string text;
  std::array<char, 64> piece{};
  while (text.size() <= limit) {
    // The end of a file may come before the end of a piece.
    std::size_t size = piece.size();
    while (size > 0 && !source.read_at(offset, {piece.data(), size})) size /= 2;
    if (size == 0) return std::nullopt;
    const std::string_view got(piece.data(), size);
    const std::size_t end = got.find('\0');
    text += got.substr(0, end);
    if (end != std::string_view::npos) {
      if (text.size() > limit) return std::nullopt;
      return text;
    }
    offset += size;
  }
  return std::nullopt;
}

/// A soname becomes the name of a file, and a key that two architectures must
/// sort alike: printable ASCII without a slash.
bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return c > 0x20 && c < 0x7f && c != '/'; });
}

std::size_t padded(std::size_t size, std::size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

/// One note of `bytes` and its length; nothing if it does not fit.
struct Note {
  std::uint32_t type = 0;
  std::string_view owner;
  std::string_view descriptor;
};
std::optional<Note> first_note(std::string_view bytes, std::size_t alignment) {
  std::array<std::uint32_t, 3> head{};
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(head.data(), bytes.data(), sizeof head);
  bytes.remove_prefix(sizeof head);
  const std::size_t name_size = padded(head[0], 4);
  if (head[0] == 0 || name_size > bytes.size()) return std::nullopt;
  Note note;
  note.type = head[2];
  note.owner = bytes.substr(0, head[0] - 1);
  // The descriptor starts aligned from the start of the note.
  const std::size_t start =
      padded(sizeof head + name_size, alignment) - sizeof head;
  if (start > bytes.size() || head[1] > bytes.size() - start) {
    return std::nullopt;
  }
  note.descriptor = bytes.substr(start, head[1]);
  return note;
}

/// log2 of the highest bit of x86's ISA_1_NEEDED among GNU properties.
unsigned isa_level_of(std::string_view properties, std::size_t alignment) {
  while (properties.size() >= 8) {
    std::array<std::uint32_t, 2> head{};
    std::memcpy(head.data(), properties.data(), sizeof head);
    properties.remove_prefix(sizeof head);
    if (head[1] > properties.size()) return 0;
    if (head[0] == kX86Isa1Needed && head[1] == 4) {
      std::uint32_t needed = 0;
      std::memcpy(&needed, properties.data(), sizeof needed);
      unsigned level = 0;
      for (unsigned bit = 0; bit < 4; ++bit) {
        if ((needed >> bit & 1U) != 0) level = bit;
      }
      return level;
    }
    const std::size_t size = padded(head[1], alignment);
    properties.remove_prefix(std::min(size, properties.size()));
  }
  return 0;
}

/// Reads one file of class `E`.
template <class E>
class Reader {
  static constexpr bool kIs64 =
      sizeof(typename E::Header) == sizeof(Elf64_Ehdr);

 public:
  explicit Reader(const ByteSource& source) : source_(source) {}

  Result<SharedObject> shared_object() {
    TRY_VOID(read_header());
    if (header_.e_type != ET_DYN) {
      return Error(ErrorCode::kInvalidArgument, "not a shared object");
    }
    TRY_VOID(read_segments());
    TRY(const auto dynamic, read_dynamic());
    SharedObject object;
    object.is_64bit = kIs64;
    TRY_VOID(read_names(dynamic, object));
    TRY(object.cache_flags, flags(dynamic));
    object.isa_level = isa_level();
    return object;
  }

  Result<ElfProgram> program() {
    TRY_VOID(read_header());
    if (header_.e_type != ET_DYN && header_.e_type != ET_EXEC) {
      return Error(ErrorCode::kInvalidArgument, "not a program");
    }
    TRY_VOID(read_segments());
    ElfProgram program{kIs64, header_.e_machine, {}};
    // Of several the kernel takes the first.
    const auto named =
        std::find_if(segments_.begin(), segments_.end(),
                     [](const auto& one) { return one.p_type == PT_INTERP; });
    if (named == segments_.end()) return program;
    const auto path = read_text(source_, named->p_offset, kMaxPathBytes);
    if (!path || path->empty()) return corrupt("no path of its loader");
    program.interpreter = *path;
    return program;
  }

  Result<std::string> note(std::string_view name, std::string_view owner) {
    TRY_VOID(read_header());
    TRY(const typename E::Section section, find_section(name));
    if (section.sh_size > kMaxNoteBytes) return corrupt("a note is too large");
    std::string bytes(section.sh_size, '\0');
    if (!source_.read_at(section.sh_offset, bytes)) {
      return corrupt("a note lies outside");
    }
    const auto found = first_note(bytes, 4);
    if (!found || found->owner != owner) return corrupt("not the note wanted");
    return std::string(found->descriptor);
  }

 private:
  Result<void> read_header() {
    if (!read_value(source_, 0, header_)) return corrupt("shorter than ELF's");
    return {};
  }

  Result<void> read_segments() {
    if (header_.e_phnum == 0 || header_.e_phnum > kMaxSegments) {
      return corrupt("an odd number of segments");
    }
    segments_.resize(header_.e_phnum);
    if (!read_table(source_, header_.e_phoff, segments_)) {
      return corrupt("segments lie outside");
    }
    return {};
  }

  Result<std::vector<typename E::Dynamic>> read_dynamic() const {
    const typename E::Segment* found = nullptr;
    for (const auto& segment : segments_) {
      if (segment.p_type == PT_DYNAMIC) found = &segment;
    }
    if (found == nullptr || found->p_filesz == 0) {
      return Error(ErrorCode::kInvalidArgument, "no dynamic section");
    }
    if (found->p_filesz > kMaxDynamicBytes) {
      return corrupt("the dynamic section is too large");
    }
    std::vector<typename E::Dynamic> dynamic(found->p_filesz /
                                             sizeof(typename E::Dynamic));
    if (!read_table(source_, found->p_offset, dynamic)) {
      return corrupt("the dynamic section lies outside");
    }
    const auto end =
        std::find_if(dynamic.begin(), dynamic.end(),
                     [](const auto& entry) { return entry.d_tag == DT_NULL; });
    dynamic.erase(end, dynamic.end());
    return dynamic;
  }

  /// Where in the file an address is.
  std::optional<std::uint64_t> offset_of(std::uint64_t address) const {
    for (const auto& segment : segments_) {
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
          address - segment.p_vaddr < segment.p_filesz) {
        return segment.p_offset + (address - segment.p_vaddr);
      }
    }
    return std::nullopt;
  }

  Result<void> read_names(const std::vector<typename E::Dynamic>& dynamic,
                          SharedObject& object) {
    for (const auto& entry : dynamic) {
      if (entry.d_tag == DT_STRTAB) strings_ = offset_of(entry.d_un.d_ptr);
    }
    if (!strings_) return corrupt("no string table");
    for (const auto& entry : dynamic) {
      if (entry.d_tag != DT_SONAME) continue;
      const auto name = text(entry);
      if (!name || !is_file_name(*name)) {
        return corrupt("a soname that no file can have");
      }
      object.soname = *name;
      break;
    }
    return {};
  }

  std::optional<std::string> text(const typename E::Dynamic& entry) const {
    return read_text(source_, *strings_ + entry.d_un.d_val, kMaxNameBytes);
  }

  /// glibc takes a 32-bit x86 library for libc 6's only if it says so.
  std::int32_t i386_flags(
      const std::vector<typename E::Dynamic>& dynamic) const {
    for (const auto& entry : dynamic) {
      if (entry.d_tag != DT_NEEDED) continue;
      const auto name = text(entry);
      if (name == "libc.so.6" || name == "libm.so.6") return kElfLibc6;
    }
    for (const auto& segment : segments_) {
      if (segment.p_type != PT_INTERP) continue;
      if (read_text(source_, segment.p_offset, kMaxNameBytes) ==
          "/lib/ld-linux.so.2") {
        return kElfLibc6;
      }
    }
    return kElf;
  }

  Result<std::int32_t> flags(
      const std::vector<typename E::Dynamic>& dynamic) const {
    switch (header_.e_machine) {
      case EM_X86_64:
        return kElfLibc6 | (kIs64 ? kX8664Lib64 : kX8664Libx32);
      case EM_386:
        if (!kIs64) return i386_flags(dynamic);
        break;
      case EM_AARCH64:
        if (kIs64) return kElfLibc6 | kAarch64Lib64;
        break;
      case EM_PPC64:
        if (kIs64) return kElfLibc6 | kPowerpcLib64;
        break;
      case EM_ARM:
        if (!kIs64) {
          const bool hard = (header_.e_flags & EF_ARM_ABI_FLOAT_HARD) != 0;
          return kElfLibc6 | (hard ? kArmLibhf : kArmLibsf);
        }
        break;
      default:
        break;
    }
    return Error(ErrorCode::kInvalidArgument, "of a machine unknown here");
  }

  unsigned isa_level() const {
    if (header_.e_machine != EM_X86_64) return 0;
    const std::size_t alignment = kIs64 ? 8 : 4;
    for (const auto& segment : segments_) {
      if (segment.p_type != kGnuPropertySegment) continue;
      if (segment.p_filesz > kMaxNoteBytes) return 0;
      std::string bytes(segment.p_filesz, '\0');
      if (!source_.read_at(segment.p_offset, bytes)) return 0;
      const auto note = first_note(bytes, alignment);
      if (!note || note->type != kGnuPropertyNote || note->owner != "GNU") {
        return 0;
      }
      return isa_level_of(note->descriptor, alignment);
    }
    return 0;
  }

  Result<typename E::Section> find_section(std::string_view name) const {
    const Error none(ErrorCode::kNotFound, "no section " + std::string(name));
    if (header_.e_shnum == 0) return none;
    if (header_.e_shnum > kMaxSections ||
        header_.e_shstrndx >= header_.e_shnum) {
      return corrupt("an odd number of sections");
    }
    std::vector<typename E::Section> sections(header_.e_shnum);
    if (!read_table(source_, header_.e_shoff, sections)) {
      return corrupt("sections lie outside");
    }
    const std::uint64_t names = sections[header_.e_shstrndx].sh_offset;
    for (const auto& section : sections) {
      if (section.sh_type != SHT_NOTE) continue;
      if (read_text(source_, names + section.sh_name, kMaxNameBytes) == name) {
        return section;
      }
    }
    return none;
  }

  const ByteSource& source_;
  typename E::Header header_{};
  std::vector<typename E::Segment> segments_;
  std::optional<std::uint64_t> strings_;
};

/// ELFCLASS32 or ELFCLASS64 of a file in our byte order.
Result<int> class_of(const ByteSource& source) {
  std::array<char, EI_NIDENT> ident{};
  if (!source.read_at(0, ident) ||
      std::memcmp(ident.data(), ELFMAG, SELFMAG) != 0 ||
      ident[EI_DATA] != ELFDATA2LSB ||
      (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)) {
    return Error(ErrorCode::kInvalidArgument, "not a little-endian ELF file");
  }
  return ident[EI_CLASS];
}

}  // namespace

FileBytes::FileBytes(int fd) : fd_(fd), first_page_(4096, '\0') {
  const ssize_t size = ::pread(fd_, first_page_.data(), first_page_.size(), 0);
  first_page_.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
}

bool FileBytes::read_at(std::uint64_t offset, std::span<char> out) const {
  if (MemoryBytes(first_page_).read_at(offset, out)) return true;
  while (!out.empty()) {
    const ssize_t size =
        ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(size));
    offset += static_cast<std::uint64_t>(size);
  }
  return true;
}

bool MemoryBytes::read_at(std::uint64_t offset, std::span<char> out) const {
  if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
    return false;
  }
  if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
  return true;
}

Result<SharedObject> read_shared_object(const ByteSource& source) {
  TRY(const int elf_class, class_of(source));
  if (elf_class == ELFCLASS64) return Reader<Elf64>(source).shared_object();
  return Reader<Elf32>(source).shared_object();
}

Result<ElfProgram> read_program(const ByteSource& source) {
  TRY(const int elf_class, class_of(source));
  if (elf_class == ELFCLASS64) return Reader<Elf64>(source).program();
  return Reader<Elf32>(source).program();
}

Result<std::string> read_note_section(const ByteSource& source,
                                      std::string_view section,
                                      std::string_view owner) {
  TRY(const int elf_class, class_of(source));
  if (elf_class == ELFCLASS64)
    return Reader<Elf64>(source).note(section, owner);
  return Reader<Elf32>(source).note(section, owner);
}

}  // namespace gpunode::host
