// Any bytes as a superblock: refused in one line, or what the rest counts on.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/host/filesystem_maker.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace host = gpunode::host;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto super = host::parse_superblock(bytes);
  if (super) {
    require(super->block_bytes >= 512 && super->size_bytes > 0);
    require(super->uuid.size() == 36);
    for (const char c : super->label) require(c >= 0x20 && c < 0x7f);
    const std::string words = host::difference({}, *super);
    require(words.find('\n') == std::string::npos);
  } else {
    const std::string& message = super.error().message();
    require(!message.empty() && message.find('\n') == std::string::npos);
  }
  return 0;
}
