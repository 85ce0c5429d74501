// Any bytes as config.toml: no crash, one line about what is wrong, and where
// the reader that runs before libc is sure it says what the parser says.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "container/oci/passed_call.h"
#include "container/oci/toolkit_config.h"

namespace {

using namespace gpunode::oci;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto parsed = parse_toolkit_config(text, "config.toml");
  if (!parsed) {
    require(parsed.error().message().find('\n') == std::string::npos);
    return 0;
  }
  Candidates found;
  PlainConfig plain({text.data(), text.size()});
  if (!plain.read(found)) return 0;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < found.count; ++i) {
    names.emplace_back(found.names[i].data, found.names[i].size);
  }
  if (names.empty()) names = RuntimeConfig().runtimes;
  require(names == parsed->runtime.runtimes);
  return 0;
}
