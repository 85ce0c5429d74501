// Any bytes as PEM. What is read of a text is read of it twice behind itself.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/http/certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto once = gpunode::http::read_certificates(text);
  if (!once) return 0;
  const auto twice = gpunode::http::read_certificates(text + "\n" + text);
  if (!twice || twice->size() != 2 * once->size()) std::abort();
  for (std::size_t i = 0; i < once->size(); ++i) {
    const auto& first = (*once)[i];
    const auto& second = (*twice)[once->size() + i];
    if (first.common_name != second.common_name ||
        first.not_after != second.not_after) {
      std::abort();
    }
  }
  return 0;
}
