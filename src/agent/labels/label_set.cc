#include "agent/labels/label_set.h"

#include <algorithm>
#include <cstddef>

#include "base/core/ascii.h"

namespace gpunode::labels {
namespace {

constexpr std::size_t kMaxValueBytes = 63;
constexpr std::string_view kPunctuation = "-_.";

bool is_value_character(char c) {
  return is_alphanumeric(c) || kPunctuation.find(c) != std::string_view::npos;
}

// Go's strings.Fields for ASCII; its other blanks are dropped before.
std::string dashed(std::string_view text) {
  std::string out;
  bool is_gap = false;
  for (const char c : text) {
    if (c == ' ') {
      is_gap = !out.empty();
      continue;
    }
    if (!is_value_character(c)) continue;
    if (is_gap) out += '-';
    is_gap = false;
    out += c;
  }
  return out;
}

void trim_end(std::string& text) {
  while (!text.empty() && !is_alphanumeric(text.back())) text.pop_back();
}

}  // namespace

bool is_valid_value(std::string_view text) {
  if (text.empty()) return true;
  return text.size() <= kMaxValueBytes &&
         std::all_of(text.begin(), text.end(), is_value_character) &&
         is_alphanumeric(text.front()) && is_alphanumeric(text.back());
}

std::string value_of(std::string_view text, std::string_view suffix) {
  std::string value = dashed(text);
  value.erase(0, std::min(value.size(), value.find_first_not_of(kPunctuation)));
  value.resize(std::min(
      value.size(), kMaxValueBytes - std::min(kMaxValueBytes, suffix.size())));
  trim_end(value);
  if (value.empty()) {
    suffix.remove_prefix(suffix.empty() ? 0 : 1);  // Nothing to be dashed to.
  }
  return value.append(suffix);
}

std::string to_feature_file(const LabelSet& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    text.append(key).append("=").append(value).append("\n");
  }
  return text;
}

}  // namespace gpunode::labels
