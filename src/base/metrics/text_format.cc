#include "base/metrics/text_format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

namespace gpunode::metrics {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

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

/// Length of the UTF-8 character that `text` starts with, or 0.
std::size_t utf8_length(std::string_view text) {
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

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (text.front() == '\\') {
      out += "\\\\";
    } else if (text.front() == '\n') {
      out += "\\n";
    } else if (text.front() == '"' && quotes) {
      out += "\\\"";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

}  // namespace

bool is_metric_name(std::string_view name) {
  const auto first = [](char c) { return is_letter(c) || c == ':'; };
  return !name.empty() && first(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return first(c) || is_digit(c); });
}

bool is_label_name(std::string_view name) {
  return !name.empty() && is_letter(name.front()) &&
         name.substr(0, 2) != "__" &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c); });
}

void append_help(std::string& out, std::string_view text) {
  append_escaped(out, text, false);
}

void append_labels(std::string& out, const Labels& labels) {
  const char* separator = "";
  for (const auto& [name, value] : labels) {
    out += separator;
    out += name;
    out += "=\"";
    append_escaped(out, value, true);
    out += '"';
    separator = ",";
  }
}

void append_value(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

}  // namespace gpunode::metrics
