// For tests: the smallest shared library that has a soname.
#pragma once

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include <elf.h>

namespace gpunode::cdi {

template <class Header, class Segment, class Dynamic>
std::string elf_with(std::string_view soname, unsigned char klass,
                     unsigned char data = ELFDATA2LSB) {
  constexpr std::size_t kDynamic = sizeof(Header) + 2 * sizeof(Segment);
  constexpr std::size_t kStrings = kDynamic + 3 * sizeof(Dynamic);
  // What a loader would add to the file's offsets.
  constexpr std::size_t kBase = 0x1000;
  Header header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = klass;
  header.e_ident[EI_DATA] = data;
  header.e_phoff = sizeof(Header);
  header.e_phentsize = sizeof(Segment);
  header.e_phnum = 2;
  std::array<Segment, 2> segments{};
  segments[0].p_type = PT_LOAD;
  segments[0].p_vaddr = kBase;
  segments[0].p_filesz =
      static_cast<decltype(Segment::p_filesz)>(kStrings + soname.size() + 2);
  segments[1].p_type = PT_DYNAMIC;
  segments[1].p_offset = kDynamic;
  segments[1].p_filesz = 3 * sizeof(Dynamic);
  std::array<Dynamic, 3> entries{};
  entries[0].d_tag = DT_SONAME;
  entries[0].d_un.d_val = 1;
  entries[1].d_tag = DT_STRTAB;
  entries[1].d_un.d_ptr = kBase + kStrings;
  std::string bytes(kStrings + 1, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, segments.data(), sizeof segments);
  std::memcpy(bytes.data() + kDynamic, entries.data(), sizeof entries);
  bytes += soname;
  bytes += '\0';
  return bytes;
}

inline std::string elf64_with(std::string_view soname) {
  return elf_with<Elf64_Ehdr, Elf64_Phdr, Elf64_Dyn>(soname, ELFCLASS64);
}

inline std::string elf32_with(std::string_view soname) {
  return elf_with<Elf32_Ehdr, Elf32_Phdr, Elf32_Dyn>(soname, ELFCLASS32);
}

}  // namespace gpunode::cdi
