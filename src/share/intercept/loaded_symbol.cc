#include "share/intercept/loaded_symbol.h"

#include <cstdint>
#include <cstring>

#include <elf.h>
#include <link.h>

namespace gpunode::share {
namespace {

/// What is needed of a loaded object to find a name in it.
class Exports {
 public:
  explicit Exports(const dl_phdr_info& object) : base_(object.dlpi_addr) {
    const ElfW(Dyn)* entry = nullptr;
    for (int at = 0; at < object.dlpi_phnum; ++at) {
      if (object.dlpi_phdr[at].p_type == PT_DYNAMIC) {
        entry = reinterpret_cast<const ElfW(Dyn)*>(
            base_ + object.dlpi_phdr[at].p_vaddr);
      }
    }
    for (; entry != nullptr && entry->d_tag != DT_NULL; ++entry) {
      const std::uintptr_t address = absolute(entry->d_un.d_ptr);
      if (entry->d_tag == DT_SYMTAB) symbols_ = to<ElfW(Sym)>(address);
      if (entry->d_tag == DT_STRTAB) strings_ = to<char>(address);
      if (entry->d_tag == DT_VERSYM) versions_ = to<ElfW(Half)>(address);
      if (entry->d_tag == DT_GNU_HASH) hashes_ = to<std::uint32_t>(address);
    }
  }

  void* find(const char* name) const {
    if (symbols_ == nullptr || strings_ == nullptr || hashes_ == nullptr) {
      return nullptr;
    }
    // The table's layout: counts, a Bloom filter, buckets, chains of hashes
    // whose last bit ends a chain.
    const std::uint32_t buckets = hashes_[0];
    const std::uint32_t first_symbol = hashes_[1];
    const std::uint32_t filter_words = hashes_[2];
    const std::uint32_t* bucket =
        hashes_ + 4 + filter_words * (sizeof(ElfW(Addr)) / 4);
    const std::uint32_t* chain = bucket + buckets;
    const std::uint32_t wanted = hash_of(name);
    if (buckets == 0) return nullptr;
    std::uint32_t symbol = bucket[wanted % buckets];
    if (symbol < first_symbol) return nullptr;
    void* hidden = nullptr;
    for (;; ++symbol) {
      const std::uint32_t hash = chain[symbol - first_symbol];
      if ((hash | 1) == (wanted | 1) && is_defined(symbol, name)) {
        void* found = to<void>(base_ + symbols_[symbol].st_value);
        if (!is_hidden(symbol)) return found;
        hidden = found;
      }
      if ((hash & 1) != 0) return hidden;
    }
  }

 private:
  template <typename Type>
  static Type* to(std::uintptr_t address) {
    return reinterpret_cast<Type*>(
        address);  // NOLINT(performance-no-int-to-ptr)
  }

  /// glibc writes addresses into the table where it loads an object, but not
  /// everywhere.
  std::uintptr_t absolute(std::uintptr_t address) const {
    return address < base_ ? base_ + address : address;
  }

  static std::uint32_t hash_of(const char* name) {
    std::uint32_t hash = 5381;
    for (; *name != '\0'; ++name) {
      hash = hash * 33 + static_cast<unsigned char>(*name);
    }
    return hash;
  }

  bool is_defined(std::uint32_t symbol, const char* name) const {
    const ElfW(Sym)& candidate = symbols_[symbol];
    return candidate.st_shndx != SHN_UNDEF &&
           ELF64_ST_TYPE(candidate.st_info) == STT_FUNC &&
           std::strcmp(strings_ + candidate.st_name, name) == 0;
  }

  bool is_hidden(std::uint32_t symbol) const {
    return versions_ != nullptr && (versions_[symbol] & 0x8000) != 0;
  }

  std::uintptr_t base_;
  const ElfW(Sym) * symbols_ = nullptr;
  const char* strings_ = nullptr;
  const ElfW(Half) * versions_ = nullptr;
  const std::uint32_t* hashes_ = nullptr;
};

const char* base_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

struct SymbolSearch {
  const char* file;
  const char* name;
  void* found;
};

int look_for_symbol(dl_phdr_info* object, std::size_t /*size*/, void* data) {
  auto* search = static_cast<SymbolSearch*>(data);
  const char* path = object->dlpi_name;
  if (path == nullptr || std::strncmp(base_name(path), search->file,
                                      std::strlen(search->file)) != 0) {
    return 0;
  }
  search->found = Exports(*object).find(search->name);
  return search->found != nullptr ? 1 : 0;
}

struct DirectorySearch {
  std::uintptr_t address;
  char* directory;
  std::size_t size;
  bool is_found;
};

int look_for_directory(dl_phdr_info* object, std::size_t /*size*/, void* data) {
  auto* search = static_cast<DirectorySearch*>(data);
  for (int at = 0; at < object->dlpi_phnum; ++at) {
    const ElfW(Phdr)& part = object->dlpi_phdr[at];
    const std::uintptr_t begin = object->dlpi_addr + part.p_vaddr;
    if (part.p_type != PT_LOAD || search->address < begin ||
        search->address >= begin + part.p_memsz) {
      continue;
    }
    const char* path = object->dlpi_name;
    if (path == nullptr || *path != '/') return 1;
    const auto length = static_cast<std::size_t>(base_name(path) - path);
    if (length + 1 > search->size) return 1;
    std::memcpy(search->directory, path, length);
    search->directory[length] = '\0';
    search->is_found = true;
    return 1;
  }
  return 0;
}

}  // namespace

void* find_loaded_symbol(const char* file, const char* name) {
  SymbolSearch search = {file, name, nullptr};
  dl_iterate_phdr(look_for_symbol, &search);
  return search.found;
}

bool directory_of(const void* address, char* directory, unsigned long size) {
  DirectorySearch search = {reinterpret_cast<std::uintptr_t>(address),
                            directory, size, false};
  dl_iterate_phdr(look_for_directory, &search);
  return search.is_found;
}

}  // namespace gpunode::share
