#include "share/intercept/loaded_symbol.h"

#include <cstddef>
#include <cstdint>

#include <elf.h>
#include <link.h>

// The loader's list of what is loaded. It is exported by ld.so itself, which
// every program has and this library must not be said to need.
[[gnu::weak]] extern r_debug _r_debug;

namespace gpunode::share {
namespace {

// libc's own may be another's (a sanitizer's, a profiler's), which asks dlsym
// for the next: so these. Built without builtins, or they would be libc's
// again.
bool is_same(const char* a, const char* b) {
  for (; *a == *b; ++a, ++b) {
    if (*a == '\0') return true;
  }
  return false;
}

bool begins_with(const char* text, const char* begin) {
  for (; *begin != '\0'; ++text, ++begin) {
    if (*text != *begin) return false;
  }
  return true;
}

const char* base_name(const char* path) {
  const char* base = path;
  for (; *path != '\0'; ++path) {
    if (*path == '/') base = path + 1;
  }
  return base;
}

/// What is needed of a loaded object to find a name in it.
class Exports {
 public:
  Exports(std::uintptr_t base, const ElfW(Dyn) * entry) : base_(base) {
    for (; entry != nullptr && entry->d_tag != DT_NULL; ++entry) {
      const std::uintptr_t address = absolute(entry->d_un.d_ptr);
      if (entry->d_tag == DT_SYMTAB) symbols_ = to<ElfW(Sym)>(address);
      if (entry->d_tag == DT_STRTAB) strings_ = to<char>(address);
      if (entry->d_tag == DT_VERSYM) versions_ = to<ElfW(Half)>(address);
      if (entry->d_tag == DT_GNU_HASH) hashes_ = to<std::uint32_t>(address);
      if (entry->d_tag == DT_HASH) old_hashes_ = to<std::uint32_t>(address);
    }
  }

  void* find(const char* name) const {
    if (symbols_ == nullptr || strings_ == nullptr) return nullptr;
    if (hashes_ != nullptr) return find_by_hash(name);
    return old_hashes_ != nullptr ? find_by_old_hash(name) : nullptr;
  }

 private:
  void* find_by_hash(const char* name) const {
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

  /// The table that objects had before: counts, buckets, chains.
  void* find_by_old_hash(const char* name) const {
    const std::uint32_t buckets = old_hashes_[0];
    const std::uint32_t symbols = old_hashes_[1];
    const std::uint32_t* bucket = old_hashes_ + 2;
    const std::uint32_t* chain = bucket + buckets;
    if (buckets == 0) return nullptr;
    void* hidden = nullptr;
    std::uint32_t symbol = bucket[old_hash_of(name) % buckets];
    for (; symbol != 0 && symbol < symbols; symbol = chain[symbol]) {
      if (!is_defined(symbol, name)) continue;
      void* found = to<void>(base_ + symbols_[symbol].st_value);
      if (!is_hidden(symbol)) return found;
      hidden = found;
    }
    return hidden;
  }

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

  static std::uint32_t old_hash_of(const char* name) {
    std::uint32_t hash = 0;
    for (; *name != '\0'; ++name) {
      hash = (hash << 4) + static_cast<unsigned char>(*name);
      const std::uint32_t high = hash & 0xF0000000;
      hash = (hash ^ high >> 24) & ~high;
    }
    return hash;
  }

  bool is_defined(std::uint32_t symbol, const char* name) const {
    const ElfW(Sym)& candidate = symbols_[symbol];
    return candidate.st_shndx != SHN_UNDEF &&
           ELF64_ST_TYPE(candidate.st_info) == STT_FUNC &&
           is_same(strings_ + candidate.st_name, name);
  }

  bool is_hidden(std::uint32_t symbol) const {
    return versions_ != nullptr && (versions_[symbol] & 0x8000) != 0;
  }

  std::uintptr_t base_;
  const ElfW(Sym) * symbols_ = nullptr;
  const char* strings_ = nullptr;
  const ElfW(Half) * versions_ = nullptr;
  const std::uint32_t* hashes_ = nullptr;
  const std::uint32_t* old_hashes_ = nullptr;
};

using See = int (*)(dl_phdr_info*, std::size_t, void*);
using Iterate = int (*)(See, void*);

/// libc's own dl_iterate_phdr. A program may have one of its own (a sanitizer's
/// runtime, or one that shows what was loaded at its start), which asks dlsym
/// for the next, or shows no driver. libc is there before any thread and any
/// dlopen, so up to it the list stands still.
Iterate find_iterate() {
  const link_map* object = &_r_debug == nullptr ? nullptr : _r_debug.r_map;
  for (; object != nullptr; object = object->l_next) {
    if (object->l_name == nullptr ||
        !begins_with(base_name(object->l_name), "libc.so")) {
      continue;
    }
    void* found = Exports(object->l_addr, object->l_ld).find("dl_iterate_phdr");
    if (found != nullptr) return reinterpret_cast<Iterate>(found);
  }
  return &dl_iterate_phdr;
}

void for_each_object(See see, void* data) {
  static std::atomic<Iterate> known = nullptr;
  Iterate iterate = known.load(std::memory_order_relaxed);
  if (iterate == nullptr) {
    iterate = find_iterate();
    known.store(iterate, std::memory_order_relaxed);
  }
  iterate(see, data);
}

const ElfW(Dyn) * dynamic_of(const dl_phdr_info& object) {
  for (int at = 0; at < object.dlpi_phnum; ++at) {
    if (object.dlpi_phdr[at].p_type == PT_DYNAMIC) {
      return reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr +
                                                object.dlpi_phdr[at].p_vaddr);
    }
  }
  return nullptr;
}

struct SymbolSearch {
  const char* file;
  const char* name;
  void* found;
};

int look_for_symbol(dl_phdr_info* object, std::size_t /*size*/, void* data) {
  auto* search = static_cast<SymbolSearch*>(data);
  const char* path = object->dlpi_name;
  if (path == nullptr || !begins_with(base_name(path), search->file)) return 0;
  search->found =
      Exports(object->dlpi_addr, dynamic_of(*object)).find(search->name);
  return search->found != nullptr ? 1 : 0;
}

struct FileSearch {
  std::uintptr_t address;
  char* path;
  std::size_t size;
  bool is_found;
};

int look_for_file(dl_phdr_info* object, std::size_t /*size*/, void* data) {
  auto* search = static_cast<FileSearch*>(data);
  for (int at = 0; at < object->dlpi_phnum; ++at) {
    const ElfW(Phdr)& part = object->dlpi_phdr[at];
    const std::uintptr_t begin = object->dlpi_addr + part.p_vaddr;
    if (part.p_type != PT_LOAD || search->address < begin ||
        search->address >= begin + part.p_memsz) {
      continue;
    }
    const char* path = object->dlpi_name;
    if (path == nullptr || *path != '/') return 1;
    for (std::size_t byte = 0; byte < search->size; ++byte) {
      search->path[byte] = path[byte];
      search->is_found = path[byte] == '\0';
      if (search->is_found) break;
    }
    return 1;
  }
  return 0;
}

int read_unloads(dl_phdr_info* object, std::size_t size, void* data) {
  if (size >= offsetof(dl_phdr_info, dlpi_subs) + sizeof(object->dlpi_subs)) {
    *static_cast<std::uint64_t*>(data) = object->dlpi_subs;
  }
  return 1;  // The first object says it for all.
}

}  // namespace

std::uint64_t unloads_so_far() {
  std::uint64_t unloads = 0;
  for_each_object(read_unloads, &unloads);
  return unloads;
}

void* find_loaded_symbol(const char* file, const char* name) {
  SymbolSearch search = {file, name, nullptr};
  for_each_object(look_for_symbol, &search);
  return search.found;
}

bool file_of(const void* address, char* path, unsigned long size) {
  FileSearch search = {reinterpret_cast<std::uintptr_t>(address), path, size,
                       false};
  for_each_object(look_for_file, &search);
  return search.is_found;
}

}  // namespace gpunode::share
