// Any bytes as a driver library: no crash, and a soname is a short text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "container/cdi/elf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const auto facts = gpunode::cdi::read_elf_bytes(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (facts && (facts->soname.size() > 255 ||
                facts->soname.find('\0') != std::string::npos)) {
    std::abort();
  }
  return 0;
}
