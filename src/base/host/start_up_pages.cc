#include "base/host/start_up_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include <link.h>

namespace gpunode::host {
namespace {

int release_program(dl_phdr_info* info, std::size_t /*size*/, void* /*data*/) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    // A segment that was ever writable holds relocations, which are not in the
    // file; dropping them would be the end of us.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t start =
        (info->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const std::uintptr_t end =
        info->dlpi_addr + segment.p_vaddr + segment.p_filesz;
    // Advice: where it is refused nothing is lost but the saving.
    // NOLINTBEGIN(performance-no-int-to-ptr): the kernel gives addresses.
    static_cast<void>(
        ::madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED));
    // NOLINTEND(performance-no-int-to-ptr)
  }
  return 1;  // The first object is the program; libraries are others' too.
}

}  // namespace

void release_start_up_pages() {
  ::dl_iterate_phdr(release_program, nullptr);
}

}  // namespace gpunode::host
