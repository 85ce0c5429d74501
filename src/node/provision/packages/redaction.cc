#include "node/provision/packages/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "base/core/ascii.h"

namespace gpunode::packages {
namespace {

constexpr std::string_view kHidden = "***";

/// Where a word of a URL, command line or sentence ends.
bool ends_word(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0 || c == '"' ||
         c == '\'' || c == '<' || c == '>';
}

std::size_t end_of_word(std::string_view text, std::size_t at) {
  while (at < text.size() && !ends_word(text[at])) ++at;
  return at;
}

bool starts_here(std::string_view text, std::size_t at,
                 std::string_view lowercase) {
  if (text.size() - at < lowercase.size()) return false;
  return std::equal(lowercase.begin(), lowercase.end(),
                    text.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, char b) { return a == to_lower(b); });
}

/// What comes before a secret; as query parameter, option or header.
constexpr auto kNames = std::to_array<std::string_view>(
    {"token=", "password=", "passwd=", "signature=", "secret=", "sig=",
     "authorization: basic ", "authorization: bearer ", "authorization:basic ",
     "authorization:bearer "});

/// The length of the name of a secret that starts at `at`; 0 if none does.
std::size_t secret_name_at(std::string_view text, std::size_t at) {
  for (const std::string_view name : kNames) {
    if (starts_here(text, at, name)) return name.size();
  }
  return 0;
}

/// Keys of TOML with secrets of registries: containerd's docs/cri/registry.md.
constexpr auto kKeys = std::to_array<std::string_view>(
    {"password", "auth", "identitytoken", "identity_token", "token"});

/// The length of `password = "` at `at`, quote included; 0 if it is none.
std::size_t quoted_key_at(std::string_view text, std::size_t at) {
  if (at > 0 && (is_alphanumeric(text[at - 1]) || text[at - 1] == '_')) {
    return 0;
  }
  for (const std::string_view key : kKeys) {
    if (!starts_here(text, at, key)) continue;
    std::size_t end = at + key.size();
    const auto skip_blanks = [&] {
      while (end < text.size() && (text[end] == ' ' || text[end] == '\t')) {
        ++end;
      }
    };
    skip_blanks();
    if (end == text.size() || text[end] != '=') continue;
    ++end;
    skip_blanks();
    if (end < text.size() && (text[end] == '"' || text[end] == '\'')) {
      return end + 1 - at;
    }
  }
  return 0;
}

}  // namespace

std::string redacted(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (text.substr(i, 3) == "://") {
      shown += "://";
      i += 3;
      // User and password end at the last @ before the path. A password may
      // hold @ and / itself, unescaped: with one, the last @ of all counts.
      const std::size_t word = end_of_word(text, i);
      const std::size_t path = std::min(text.find_first_of("/?#", i), word);
      const bool may_have_password =
          text.substr(i, path - i).find(':') != std::string_view::npos;
      const std::size_t at =
          text.substr(0, may_have_password ? word : path).rfind('@');
      if (at != std::string_view::npos && at >= i) {
        shown += kHidden;
        i = at;
      }
      continue;
    }
    if (const std::size_t key = quoted_key_at(text, i); key > 0) {
      const char quote = text[i + key - 1];
      shown += text.substr(i, key);
      shown += kHidden;
      i += key;
      // A quote that is escaped is part of it; a line's end is the end.
      while (i < text.size() && text[i] != quote && text[i] != '\n') {
        i += text[i] == '\\' && quote == '"' ? 2 : 1;
      }
      i = std::min(i, text.size());
      continue;
    }
    if (const std::size_t name = secret_name_at(text, i); name > 0) {
      shown += text.substr(i, name);
      shown += kHidden;
      i += name;
      while (i < text.size() && !ends_word(text[i]) && text[i] != '&') ++i;
      continue;
    }
    shown += text[i++];
  }
  return shown;
}

}  // namespace gpunode::packages
