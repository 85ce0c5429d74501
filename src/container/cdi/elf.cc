#include "container/cdi/elf.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <elf.h>

namespace gpunode::cdi {
namespace {

constexpr std::size_t kFirstRead = 4096;  // Headers of every driver library.
constexpr std::size_t kMostHeaders = 64;
constexpr std::size_t kMostDynamicBytes = std::size_t{64} << 10U;
constexpr std::size_t kLongestName = 255;

class FileSource : public ByteSource {
 public:
  explicit FileSource(int fd) : fd_(fd) {}

  std::size_t read_at(std::uint64_t offset, std::span<char> to) override {
    for (;;) {
      const ssize_t n =
          ::pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return 0;
    }
  }

 private:
  int fd_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}

  std::size_t read_at(std::uint64_t offset, std::span<char> to) override {
    if (offset >= bytes_.size()) return 0;
    const std::string_view part = bytes_.substr(offset, to.size());
    std::copy(part.begin(), part.end(), to.begin());
    return part.size();
  }

 private:
  std::string_view bytes_;
};

struct Elf64 {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Dynamic = Elf64_Dyn;
};

struct Elf32 {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Dynamic = Elf32_Dyn;
};

template <class T>
bool read_value(std::span<const char> bytes, std::size_t at, T& value) {
  if (at > bytes.size() || bytes.size() - at < sizeof value) return false;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return true;
}

/// The text of a name at `offset`, up to its NUL.
std::string read_name(ByteSource& source, std::uint64_t offset) {
  std::array<char, kLongestName + 1> bytes{};
  const std::size_t size = source.read_at(offset, bytes);
  const std::string_view text(bytes.data(), size);
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos) return "";
  return std::string(text.substr(0, end));
}

template <class Elf>
class Reader {
 public:
  Reader(ByteSource& source, std::span<const char> start)
      : source_(source), start_(start) {}

  std::string soname() {
    if (!read_segments()) return "";
    const auto table = std::ranges::find(
        segments_, static_cast<decltype(Segment::p_type)>(PT_DYNAMIC),
        &Segment::p_type);
    if (table == segments_.end()) return "";
    std::vector<char> bytes(
        std::min<std::uint64_t>(table->p_filesz, kMostDynamicBytes));
    bytes.resize(source_.read_at(table->p_offset, bytes));
    std::optional<std::uint64_t> strings;
    std::optional<std::uint64_t> name;
    typename Elf::Dynamic entry;
    for (std::size_t at = 0; read_value(bytes, at, entry); at += sizeof entry) {
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_STRTAB) strings = entry.d_un.d_ptr;
      if (entry.d_tag == DT_SONAME) name = entry.d_un.d_val;
    }
    if (!strings || !name) return "";
    const auto offset = file_offset(*strings);
    if (!offset || *name > UINT64_MAX - *offset) return "";
    return read_name(source_, *offset + *name);
  }

 private:
  using Segment = typename Elf::Segment;

  bool read_segments() {
    typename Elf::Header header;
    if (!read_value(start_, 0, header)) return false;
    if (header.e_phentsize != sizeof(Segment)) return false;
    const std::size_t count =
        std::min<std::size_t>(header.e_phnum, kMostHeaders);
    std::vector<char> elsewhere;
    std::span<const char> bytes = start_;
    std::size_t at = header.e_phoff;
    if (header.e_phoff > start_.size() ||
        start_.size() - header.e_phoff < count * sizeof(Segment)) {
      elsewhere.resize(count * sizeof(Segment));
      elsewhere.resize(source_.read_at(header.e_phoff, elsewhere));
      bytes = elsewhere;
      at = 0;
    }
    Segment segment;
    for (std::size_t i = 0; i < count; ++i, at += sizeof segment) {
      if (!read_value(bytes, at, segment)) return false;
      segments_.push_back(segment);
    }
    return true;
  }

  // Where an address of the loaded library is in the file.
  std::optional<std::uint64_t> file_offset(std::uint64_t address) const {
    for (const Segment& segment : segments_) {
      if (segment.p_type != PT_LOAD || address < segment.p_vaddr) continue;
      const std::uint64_t inside = address - segment.p_vaddr;
      const std::uint64_t offset = segment.p_offset;
      if (inside < segment.p_filesz && inside <= UINT64_MAX - offset) {
        return offset + inside;
      }
    }
    return std::nullopt;
  }

  ByteSource& source_;
  std::span<const char> start_;
  std::vector<Segment> segments_;
};

}  // namespace

std::optional<ElfFacts> read_elf(ByteSource& source) {
  std::array<char, kFirstRead> buffer{};
  const std::span<const char> start =
      std::span(buffer).first(source.read_at(0, buffer));
  if (start.size() < EI_NIDENT ||
      std::string_view(start.data(), SELFMAG) != ELFMAG ||
      start[EI_DATA] != ELFDATA2LSB) {
    return std::nullopt;
  }
  switch (start[EI_CLASS]) {
    case ELFCLASS64:
      return ElfFacts{true, Reader<Elf64>(source, start).soname()};
    case ELFCLASS32:
      return ElfFacts{false, Reader<Elf32>(source, start).soname()};
    default:
      return std::nullopt;
  }
}

std::optional<ElfFacts> read_elf_file(int fd) {
  FileSource source(fd);
  return read_elf(source);
}

std::optional<ElfFacts> read_elf_bytes(std::string_view bytes) {
  MemorySource source(bytes);
  return read_elf(source);
}

}  // namespace gpunode::cdi
