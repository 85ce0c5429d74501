// Any bytes as a library: refused in one line, or what the rest counts on.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/host/elf_file.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace host = gpunode::host;
  const host::MemoryBytes source(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (const auto object = host::read_shared_object(source)) {
    require(object->soname.size() <= 255 && object->isa_level < 4);
    require(object->soname.find('/') == std::string::npos);
  } else {
    const std::string& message = object.error().message();
    require(!message.empty() && message.find('\n') == std::string::npos);
  }
  if (const auto program = host::read_program(source)) {
    require(program->interpreter.size() <= 4095);
  }
  (void)host::read_note_section(source, ".note.cuda.fwd_compatibility",
                                "NVIDIA Corporation");
  return 0;
}
