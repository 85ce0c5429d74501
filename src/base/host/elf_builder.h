// For tests: shared objects of a few hundred bytes, made byte by byte.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <elf.h>

namespace gpunode::host {

/// What a made library is to be.
struct ElfPlan {
  std::string soname;
  std::uint16_t machine = EM_X86_64;  ///< EM_386 makes a 32-bit file.
  std::vector<std::string> needed = {};
  std::string note_section = {};  ///< With a note of NVIDIA's that says this.
  std::string note_text = {};
  std::uint32_t isa_needed = 0;  ///< Bits of the x86 property note.
  /// Of a program; not with isa_needed.
  std::string interpreter = {};
};

/// The types of one class of files.
struct Elf32Types {
  using Ehdr = Elf32_Ehdr;
  using Phdr = Elf32_Phdr;
  using Shdr = Elf32_Shdr;
  using Dyn = Elf32_Dyn;
  static constexpr unsigned char kClass = ELFCLASS32;
};
struct Elf64Types {
  using Ehdr = Elf64_Ehdr;
  using Phdr = Elf64_Phdr;
  using Shdr = Elf64_Shdr;
  using Dyn = Elf64_Dyn;
  static constexpr unsigned char kClass = ELFCLASS64;
};

/// A file that a loader's cache takes; no loader could run it.
template <class E>
class ElfWriter {
 public:
  explicit ElfWriter(const ElfPlan& plan) : plan_(plan) {
    out_.assign(sizeof(Ehdr) + kSegments * sizeof(Phdr), '\0');
    const Word strings = here();
    out_ += '\0';
    std::vector<Dyn> dynamic;
    if (!plan.soname.empty()) dynamic.push_back(name(DT_SONAME, plan.soname));
    for (const auto& text : plan.needed) {
      dynamic.push_back(name(DT_NEEDED, text));
    }
    Dyn table{};
    table.d_tag = DT_STRTAB;
    table.d_un.d_ptr = strings;
    dynamic.push_back(table);
    dynamic.push_back({});
    for (Dyn& entry : dynamic) {
      if (entry.d_tag == DT_SONAME || entry.d_tag == DT_NEEDED) {
        entry.d_un.d_val -= strings;
      }
    }
    align();
    dynamic_at_ = here();
    append(dynamic);
    property_at_ = here();
    if (plan.isa_needed != 0) append_property();
    property_end_ = here();
    interpreter_at_ = here();
    if (!plan.interpreter.empty())
      out_.append(plan.interpreter).push_back('\0');
    sections();
    headers();
  }

  std::string bytes() const { return out_; }

 private:
  using Ehdr = typename E::Ehdr;
  using Phdr = typename E::Phdr;
  using Shdr = typename E::Shdr;
  using Dyn = typename E::Dyn;
  using Word = decltype(Phdr::p_offset);  // Addresses and offsets.

  static constexpr std::size_t kSegments = 3;

  Dyn name(decltype(Dyn::d_tag) tag, std::string_view text) {
    Dyn entry{};
    entry.d_tag = tag;
    entry.d_un.d_val = here();
    out_ += text;
    out_ += '\0';
    return entry;
  }

  template <class T>
  void append(const std::vector<T>& values) {
    out_.append(reinterpret_cast<const char*>(values.data()),
                values.size() * sizeof(T));
  }

  Word here() const { return static_cast<Word>(out_.size()); }

  void align() { out_.resize((out_.size() + 7) / 8 * 8, '\0'); }

  void append_property() {
    const std::vector<std::uint32_t> note = {
        4, 16, 5, 0x00554e47, 0xc0008002, 4, plan_.isa_needed, 0};
    append(note);
  }

  void sections() {
    if (plan_.note_section.empty()) return;
    align();
    note_at_ = here();
    const std::string owner = "NVIDIA Corporation";
    append(std::vector<std::uint32_t>{
        static_cast<std::uint32_t>(owner.size() + 1),
        static_cast<std::uint32_t>(plan_.note_text.size()), 1});
    out_ += owner;
    out_ += '\0';
    while ((out_.size() - note_at_) % 4 != 0) out_ += '\0';
    out_ += plan_.note_text;
    const Word note_end = here();
    const Word names_at = here();
    out_ += '\0';
    out_ += plan_.note_section;
    out_ += '\0';
    align();
    sections_at_ = here();
    std::vector<Shdr> headers(3);
    headers[1].sh_name = 1;
    headers[1].sh_type = SHT_NOTE;
    headers[1].sh_offset = note_at_;
    headers[1].sh_size = note_end - note_at_;
    headers[2].sh_type = SHT_STRTAB;
    headers[2].sh_offset = names_at;
    append(headers);
  }

  void headers() {
    Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = E::kClass;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = plan_.machine;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Phdr);
    header.e_phnum = kSegments;
    if (sections_at_ != 0) {
      header.e_shoff = sections_at_;
      header.e_shentsize = sizeof(Shdr);
      header.e_shnum = 3;
      header.e_shstrndx = 2;
    }
    std::memcpy(out_.data(), &header, sizeof header);

    std::vector<Phdr> segments(kSegments);
    segments[0].p_type = PT_LOAD;
    segments[0].p_filesz = segments[0].p_memsz = here();
    segments[1].p_type = PT_DYNAMIC;
    segments[1].p_offset = segments[1].p_vaddr = dynamic_at_;
    segments[1].p_filesz = property_at_ - dynamic_at_;
    segments[2].p_type = PT_NULL;
    if (property_end_ != property_at_) {
      segments[2].p_type = 0x6474e553;  // PT_GNU_PROPERTY
      segments[2].p_offset = property_at_;
      segments[2].p_filesz = property_end_ - property_at_;
      segments[2].p_align = 8;
    } else if (!plan_.interpreter.empty()) {
      segments[2].p_type = PT_INTERP;
      segments[2].p_offset = interpreter_at_;
      segments[2].p_filesz = static_cast<Word>(plan_.interpreter.size() + 1);
    }
    std::memcpy(out_.data() + sizeof header, segments.data(),
                segments.size() * sizeof(Phdr));
  }

  const ElfPlan& plan_;
  std::string out_;
  Word dynamic_at_ = 0;
  Word property_at_ = 0;
  Word property_end_ = 0;
  Word interpreter_at_ = 0;
  Word note_at_ = 0;
  Word sections_at_ = 0;
};

class ElfBuilder {
 public:
  static std::string build(const ElfPlan& plan) {
    return plan.machine == EM_386 ? ElfWriter<Elf32Types>(plan).bytes()
                                  : ElfWriter<Elf64Types>(plan).bytes();
  }
};

}  // namespace gpunode::host
