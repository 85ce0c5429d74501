// Any bytes as fstab: at most a value a line, each with what it must have.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "node/facts/fstab.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = gpunode::facts::parse_fstab(text);
  const auto breaks =
      static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  std::size_t last = 0;
  for (const auto& line : lines) {
    require(line.line > last && line.line <= breaks + 1);
    last = line.line;
    require(!line.source.empty() && !line.target.empty());
    require(!line.type.empty() && !line.options.empty());
  }
  return 0;
}
