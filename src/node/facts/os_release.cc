#include "node/facts/os_release.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "base/core/ascii.h"

namespace gpunode::facts {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool starts_name(char c) {
  return is_letter(c) || c == '_';
}

bool is_name(std::string_view text) {
  return !text.empty() && starts_name(text.front()) &&
         std::ranges::all_of(
             text, [](char c) { return starts_name(c) || is_digit(c); });
}

/// Control characters have no place in what is shown on terminals and put into
/// names of packages and repositories.
bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

/// Inside double quotes a shell takes the backslash for itself before anything
/// but these.
bool keeps_backslash(char quote, char next) {
  return quote == '"' &&
         std::string_view("\"\\$`").find(next) == std::string_view::npos;
}

/// What a shell would make of the right side of an assignment, nothing
/// expanded: "$" and backquotes stay as they are. Nothing if a quote is left
/// open. Unquoted blanks are kept, as systemd keeps them.
std::optional<std::string> unquoted(std::string_view text) {
  std::string value;
  std::optional<char> quote;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && quote != '\'') {
      if (++i == text.size()) return std::nullopt;
      if (keeps_backslash(quote.value_or(' '), text[i])) value += c;
      value += text[i];
    } else if (quote == c) {
      quote.reset();
    } else if (!quote && (c == '"' || c == '\'')) {
      quote = c;
    } else {
      value += c;
    }
  }
  if (quote) return std::nullopt;
  return value;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (;;) {
    text = trimmed(text);
    if (text.empty()) return words;
    const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

void keep(OsRelease& os, std::string_view key, std::string value) {
  if (key == "ID") {
    os.id = std::move(value);
  } else if (key == "ID_LIKE") {
    os.id_like = words_of(value);
  } else if (key == "VERSION_ID") {
    os.version_id = std::move(value);
  } else if (key == "VERSION_CODENAME") {
    os.codename = std::move(value);
  } else if (key == "VARIANT_ID") {
    os.variant_id = std::move(value);
  } else if (key == "PRETTY_NAME") {
    os.pretty_name = std::move(value);
  }
}

Error wrong_line(std::size_t number, const std::string& why) {
  return {ErrorCode::kCorrupt,
          "os-release: line " + std::to_string(number) + ": " + why};
}

}  // namespace

bool OsRelease::is_like(std::string_view family) const {
  return id == family || std::ranges::find(id_like, family) != id_like.end();
}

std::optional<distribution::Manager> OsRelease::package_manager() const {
  return distribution::manager_of(id, id_like);
}

int OsRelease::major_version() const {
  int number = 0;
  for (const char c : version_id) {
    if (c == '.') return number;
    // Six digits: the longest are dates, as of Tumbleweed, and not versions.
    if (!is_digit(c) || number > 99'999) return 0;
    number = number * 10 + (c - '0');
  }
  return number;
}

Result<OsRelease> parse_os_release(std::string_view text) {
  OsRelease os;
  os.id = "linux";
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    if (equals == std::string_view::npos || !is_name(key)) {
      return wrong_line(number, "not KEY=value");
    }
    auto value = unquoted(line.substr(equals + 1));
    if (!value) return wrong_line(number, "a quote is not closed");
    std::ranges::replace(*value, '\t', ' ');
    if (has_control(*value)) return wrong_line(number, "a control character");
    keep(os, key, *std::move(value));
  }
  if (os.id.empty()) os.id = "linux";
  return os;
}

}  // namespace gpunode::facts
