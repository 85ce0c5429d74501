#include "node/provision/packages/repo_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace gpunode::packages {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// The rest of a line up to and with its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line =
      text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
  text.remove_prefix(line.size());
  return line;
}

std::string_view without_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  return line;
}

/// "id" of "[id]"; a line that begins with a blank continues a value.
std::optional<std::string_view> section_of(std::string_view line) {
  if (!line.starts_with('[')) return std::nullopt;
  const std::size_t end = line.find(']');
  if (end == std::string_view::npos) return std::nullopt;
  return line.substr(1, end - 1);
}

/// The value of `enabled`, as it stands there.
std::optional<std::string_view> enabled_of(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos || line.starts_with(' ') ||
      line.starts_with('\t') || trimmed(line.substr(0, equals)) != "enabled") {
    return std::nullopt;
  }
  return trimmed(line.substr(equals + 1));
}

}  // namespace

bool is_yes(std::string_view value) {
  std::string lower(value);
  std::transform(
      lower.begin(), lower.end(), lower.begin(),
      [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array<std::string_view, 4> kYes = {"1", "yes", "true", "on"};
  return std::find(kYes.begin(), kYes.end(), lower) != kYes.end();
}

std::vector<RepoSection> repo_sections(std::string_view text) {
  std::vector<RepoSection> sections;
  bool is_main = true;
  while (!text.empty()) {
    const std::string_view line = without_end(take_line(text));
    if (const auto id = section_of(line)) {
      is_main = *id == "main";
      if (!is_main) sections.push_back({std::string(*id), true});
    } else if (const auto value = enabled_of(line); value && !is_main) {
      sections.back().is_enabled = is_yes(*value);
    }
  }
  return sections;
}

std::string with_enabled(std::string_view text, std::string_view id) {
  std::string result;
  bool is_here = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::string_view words = without_end(line);
    if (const auto section = section_of(words)) is_here = *section == id;
    const auto value = enabled_of(words);
    if (!is_here || !value || is_yes(*value)) {
      result += line;
      continue;
    }
    // The key, its blanks and the line's end stay as they are.
    const std::size_t begin = words.find('=') + 1;
    const std::size_t at =
        value->empty() ? begin : words.find_first_not_of(" \t", begin);
    result += words.substr(0, at);
    result += '1';
    result += line.substr(at + value->size());
  }
  return result;
}

}  // namespace gpunode::packages
