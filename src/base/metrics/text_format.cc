#include "base/metrics/text_format.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/core/utf8.h"

namespace gpunode::metrics {
namespace {

bool starts_name(char c) {
  return is_letter(c) || c == '_';
}
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += kReplacement;
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
  const auto first = [](char c) { return starts_name(c) || c == ':'; };
  return !name.empty() && first(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return first(c) || is_digit(c); });
}

bool is_label_name(std::string_view name) {
  return !name.empty() && starts_name(name.front()) &&
         name.substr(0, 2) != "__" &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return starts_name(c) || is_digit(c); });
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
