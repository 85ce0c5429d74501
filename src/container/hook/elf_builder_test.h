// For tests: shared objects of a few hundred bytes, made byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <elf.h>

namespace gpunode::hook {

/// What a made library is to be.
struct ElfPlan {
  std::string soname;
  std::uint16_t machine = EM_X86_64;
  std::vector<std::string> needed = {};
  std::string note_section = {};  ///< With a note of NVIDIA's that says this.
  std::string note_text = {};
  std::uint32_t isa_needed = 0;  ///< Bits of the x86 property note.
};

/// A 64-bit file that a loader's cache takes; no loader could run it.
class ElfBuilder {
 public:
  static std::string build(const ElfPlan& plan) {
    return ElfBuilder(plan).bytes();
  }

 private:
  explicit ElfBuilder(const ElfPlan& plan) : plan_(plan) {
    out_.assign(sizeof(Elf64_Ehdr) + kSegments * sizeof(Elf64_Phdr), '\0');
    const std::size_t strings = out_.size();
    out_ += '\0';
    std::vector<Elf64_Dyn> dynamic;
    if (!plan.soname.empty()) dynamic.push_back(name(DT_SONAME, plan.soname));
    for (const auto& text : plan.needed) {
      dynamic.push_back(name(DT_NEEDED, text));
    }
    Elf64_Dyn table{};
    table.d_tag = DT_STRTAB;
    table.d_un.d_ptr = strings;
    dynamic.push_back(table);
    dynamic.push_back({});
    for (Elf64_Dyn& entry : dynamic) {
      if (entry.d_tag == DT_SONAME || entry.d_tag == DT_NEEDED) {
        entry.d_un.d_val -= strings;
      }
    }
    align();
    dynamic_at_ = out_.size();
    append(dynamic);
    property_at_ = out_.size();
    if (plan.isa_needed != 0) append_property();
    property_end_ = out_.size();
    sections();
    headers();
  }

  std::string bytes() const { return out_; }

  static constexpr std::size_t kSegments = 3;

  Elf64_Dyn name(std::int64_t tag, std::string_view text) {
    Elf64_Dyn entry{};
    entry.d_tag = tag;
    entry.d_un.d_val = out_.size();
    out_ += text;
    out_ += '\0';
    return entry;
  }

  template <class T>
  void append(const std::vector<T>& values) {
    out_.append(reinterpret_cast<const char*>(values.data()),
                values.size() * sizeof(T));
  }

  void align() { out_.resize((out_.size() + 7) / 8 * 8, '\0'); }

  void append_property() {
    const std::vector<std::uint32_t> note = {
        4, 16, 5, 0x00554e47, 0xc0008002, 4, plan_.isa_needed, 0};
    append(note);
  }

  void sections() {
    if (plan_.note_section.empty()) return;
    align();
    note_at_ = out_.size();
    const std::string owner = "NVIDIA Corporation";
    append(std::vector<std::uint32_t>{
        static_cast<std::uint32_t>(owner.size() + 1),
        static_cast<std::uint32_t>(plan_.note_text.size()), 1});
    out_ += owner;
    out_ += '\0';
    while ((out_.size() - note_at_) % 4 != 0) out_ += '\0';
    out_ += plan_.note_text;
    const std::size_t note_end = out_.size();
    const std::size_t names_at = out_.size();
    out_ += '\0';
    out_ += plan_.note_section;
    out_ += '\0';
    align();
    sections_at_ = out_.size();
    std::vector<Elf64_Shdr> headers(3);
    headers[1].sh_name = 1;
    headers[1].sh_type = SHT_NOTE;
    headers[1].sh_offset = note_at_;
    headers[1].sh_size = note_end - note_at_;
    headers[2].sh_type = SHT_STRTAB;
    headers[2].sh_offset = names_at;
    append(headers);
  }

  void headers() {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = plan_.machine;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = kSegments;
    if (sections_at_ != 0) {
      header.e_shoff = sections_at_;
      header.e_shentsize = sizeof(Elf64_Shdr);
      header.e_shnum = 3;
      header.e_shstrndx = 2;
    }
    std::memcpy(out_.data(), &header, sizeof header);

    std::vector<Elf64_Phdr> segments(kSegments);
    segments[0].p_type = PT_LOAD;
    segments[0].p_filesz = segments[0].p_memsz = out_.size();
    segments[1].p_type = PT_DYNAMIC;
    segments[1].p_offset = segments[1].p_vaddr = dynamic_at_;
    segments[1].p_filesz = property_at_ - dynamic_at_;
    segments[2].p_type = PT_NULL;
    if (property_end_ != property_at_) {
      segments[2].p_type = 0x6474e553;  // PT_GNU_PROPERTY
      segments[2].p_offset = property_at_;
      segments[2].p_filesz = property_end_ - property_at_;
      segments[2].p_align = 8;
    }
    std::memcpy(out_.data() + sizeof header, segments.data(),
                segments.size() * sizeof(Elf64_Phdr));
  }

  const ElfPlan& plan_;
  std::string out_;
  std::size_t dynamic_at_ = 0;
  std::size_t property_at_ = 0;
  std::size_t property_end_ = 0;
  std::size_t note_at_ = 0;
  std::size_t sections_at_ = 0;
};

}  // namespace gpunode::hook
