#include "base/core/utf8.h"

#include <algorithm>
#include <array>

namespace gpunode {
namespace {

/// What may follow a first byte in UTF-8 (RFC 3629, section 4). The ranges
/// leave out surrogates, overlong forms and what lies beyond U+10FFFF.
struct Utf8Form {
  unsigned first_low, first_high;
  unsigned second_low, second_high;
  std::size_t length;
};
constexpr std::array<Utf8Form, 8> kUtf8Forms = {{
    {0xc2, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
}};

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto is_in = [text](std::size_t i, unsigned low, unsigned high) {
    const unsigned byte =
        i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    return low <= byte && byte <= high;
  };
  if (is_in(0, 0, 0x7f)) return 1;
  const auto* form = std::find_if(
      kUtf8Forms.begin(), kUtf8Forms.end(), [&](const Utf8Form& one) {
        return is_in(0, one.first_low, one.first_high);
      });
  if (form == kUtf8Forms.end()) return 0;
  if (!is_in(1, form->second_low, form->second_high)) return 0;
  for (std::size_t i = 2; i < form->length; ++i) {
    if (!is_in(i, 0x80, 0xbf)) return 0;
  }
  return form->length;
}

std::string mended_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    out += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace gpunode
