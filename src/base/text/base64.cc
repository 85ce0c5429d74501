#include "base/text/base64.h"

namespace gpunode::text {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string encode_base64(std::string_view bytes) {
  std::string out;
  unsigned bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) {
      out += kDigits[(bits >> (count - 6)) & 0x3FU];
    }
  }
  if (count > 0) out += kDigits[(bits << (6 - count)) & 0x3FU];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() * 3 / 4);
  unsigned bits = 0;
  unsigned count = 0;
  bool is_padding = false;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    is_padding = is_padding || c == '=';
    if (is_padding && c == '=') continue;
    const std::size_t digit = kDigits.find(c);
    if (is_padding || digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<unsigned>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> count) & 0xffU);
  }
  return out;
}

}  // namespace gpunode::text
