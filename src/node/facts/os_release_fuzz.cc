// Any bytes as os-release: refused in one line, or values that may be shown.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "node/facts/os_release.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

bool is_harmless(const std::string& text) {
  return std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto os = gpunode::facts::parse_os_release(text);
  if (!os) {
    require(is_harmless(os.error().message()));
    return 0;
  }
  require(!os->id.empty() && os->is_like(os->id));
  require(is_harmless(os->id) && is_harmless(os->version_id) &&
          is_harmless(os->pretty_name) && is_harmless(os->codename) &&
          is_harmless(os->variant_id));
  for (const std::string& family : os->id_like) {
    require(is_harmless(family) && os->is_like(family));
    require(!family.empty() && family.find(' ') == std::string::npos);
  }
  require(os->major_version() >= 0 && os->major_version() <= 999'999);
  return 0;
}
