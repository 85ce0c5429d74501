#include "node/facts/secret_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/core/ascii.h"

namespace gpunode::facts {
namespace {

constexpr auto kNone = std::string_view::npos;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_name_char(char c) {
  return is_alphanumeric(c) || c == '_' || c == '-' || c == '.';
}

/// "Client-Key-Data" as "clientkeydata".
std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (is_upper(c)) {
      plain += static_cast<char>(c - 'A' + 'a');
    } else if (is_alphanumeric(c)) {
      plain += c;
    }
  }
  return plain;
}

bool is_secret_name(std::string_view name) {
  const std::string plain = plain_name(name);
  constexpr std::array<std::string_view, 7> kWhole = {
      "auth", "authorization", "pass", "pwd", "psk", "cookie", "pat"};
  constexpr std::array<std::string_view, 13> kEnds = {
      "password",   "passwd",      "passphrase", "secret",     "token",
      "apikey",     "accesskey",   "secretkey",  "privatekey", "keydata",
      "credential", "credentials", "accesskeyid"};
  return std::ranges::find(kWhole, plain) != kWhole.end() ||
         std::ranges::any_of(
             kEnds, [&](std::string_view end) { return plain.ends_with(end); });
}

/// What stands where a secret could and is none.
bool is_harmless(std::string_view value) {
  constexpr std::array<std::string_view, 10> kWords = {
      "", "true", "false", "null", "none", "None", "yes", "no", "{}", "[]"};
  return std::ranges::find(kWords, value) != kWords.end() ||
         value.starts_with('/') || value.starts_with("scrubbed-");
}

/// The end of the name that starts at `at`.
std::size_t name_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_name_char(text[at])) ++at;
  return at;
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  while (at < text.size() && is_blank(text[at])) ++at;
  return at;
}

bool is_quote(std::string_view text, std::size_t at) {
  return at < text.size() && (text[at] == '"' || text[at] == '\'');
}

/// Where the value of the name that ends at `at` starts: behind "=" or ":", or
/// behind blanks alone if `may_be_bare`, as in `--token x` and netrc.
std::optional<std::size_t> value_start(std::string_view text, std::size_t at,
                                       bool may_be_bare) {
  if (is_quote(text, at)) ++at;
  const std::size_t mark = skip_blanks(text, at);
  if (mark < text.size() && (text[mark] == '=' || text[mark] == ':')) {
    return skip_blanks(text, mark + 1);
  }
  if (may_be_bare && mark > at && mark < text.size() && text[mark] != '\n') {
    return mark;
  }
  return std::nullopt;
}

/// How many blanks the line of `at` starts with. Of a line that is longer than
/// anybody writes, none: looking for its start again and again takes for ever.
std::size_t indentation_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kFar = 4096;
  const std::size_t from = at > kFar ? at - kFar : 0;
  const std::size_t last = text.substr(from, at - from).rfind('\n');
  if (last == kNone && from > 0) return 0;
  const std::size_t start = last == kNone ? 0 : from + last + 1;
  return skip_blanks(text, start) - start;
}

/// The lines of a YAML block ("key: |"), deeper than the line of `key`.
SecretSpan block_span(std::string_view text, std::size_t key, std::size_t at) {
  const std::size_t outer = indentation_at(text, key);
  std::size_t end = std::min(text.find('\n', at), text.size());
  const std::size_t begin = std::min(end + 1, text.size());
  while (end < text.size()) {
    const std::size_t next = std::min(text.find('\n', end + 1), text.size());
    const bool is_empty = next == end + 1;
    if (!is_empty && indentation_at(text, end + 1) <= outer) break;
    end = next;
  }
  return {begin, std::max(begin, end)};
}

/// The value that starts at `at`, quotes left out.
SecretSpan value_span(std::string_view text, std::size_t key, std::size_t at) {
  if (at < text.size() && (text[at] == '|' || text[at] == '>')) {
    return block_span(text, key, at);
  }
  if (is_quote(text, at)) {
    const char quote = text[at];
    std::size_t end = at + 1;
    while (end < text.size() && text[end] != quote && text[end] != '\n') {
      end += text[end] == '\\' && end + 1 < text.size() ? 2 : 1;
    }
    return {at + 1, end};
  }
  // "Authorization: Bearer x": the scheme is no secret.
  for (const std::string_view scheme : {"Bearer ", "Basic "}) {
    if (text.substr(at).starts_with(scheme)) at += scheme.size();
  }
  const std::size_t end = text.find_first_of(" \t\r\n,;&}]\"'", at);
  return {at, std::min(end, text.size())};
}

bool is_of(std::string_view text, bool (*kind)(char)) {
  return std::ranges::all_of(text, kind);
}

bool is_token(std::string_view word) {
  constexpr std::array<std::string_view, 13> kMarks = {
      "ghp_",   "gho_",      "ghu_", "ghs_",  "ghr_",  "github_pat_", "glpat-",
      "nvapi-", "dckr_pat_", "hvs.", "xoxb-", "xoxp-", "xoxa-"};
  if (word.size() >= 20 &&
      std::ranges::any_of(kMarks, [&](std::string_view mark) {
        return word.starts_with(mark);
      })) {
    return true;
  }
  if (word.starts_with("eyJ") && word.size() >= 30 &&
      std::ranges::count(word, '.') >= 2) {
    return true;
  }
  const auto is_capital = [](char c) { return is_digit(c) || is_upper(c); };
  if (word.size() == 20 &&
      (word.starts_with("AKIA") || word.starts_with("ASIA"))) {
    return is_of(word, is_capital);
  }
  // kubeadm's: abcdef.0123456789abcdef. A digit, since "kernel." with a long
  // name is of the same form.
  const auto is_small = [](char c) { return is_digit(c) || is_lower(c); };
  return word.size() == 23 && word[6] == '.' &&
         is_of(word.substr(0, 6), is_small) &&
         is_of(word.substr(7), is_small) &&
         std::ranges::any_of(word.substr(7), is_digit);
}

/// The end of an address that starts at `at`; `at` if there is none.
std::size_t address_end(std::string_view text, std::size_t at) {
  const auto is_pair = [&](std::size_t i) {
    return i + 1 < text.size() && is_hex_digit(text[i]) &&
           is_hex_digit(text[i + 1]);
  };
  if (!is_pair(at) || at + 2 >= text.size()) return at;
  const char separator = text[at + 2];
  if (separator != ':' && separator != '-') return at;
  std::size_t end = at + 2;
  int pairs = 1;
  while (end < text.size() && text[end] == separator && is_pair(end + 1)) {
    end += 3;
    ++pairs;
  }
  const bool is_cut = end < text.size() &&
                      (is_alphanumeric(text[end]) || text[end] == separator);
  return pairs >= 6 && !is_cut ? end : at;
}

bool is_any_address(std::string_view address) {
  return std::ranges::all_of(address, [&](char c) {
    return !is_alphanumeric(c) || c == address.front();
  });
}

}  // namespace

std::span<const SecretFinder> secret_finders() {
  static constexpr std::array<SecretFinder, 5> kFinders = {
      find_private_keys, find_logins, find_settings, find_tokens,
      find_addresses};
  return kFinders;
}

std::vector<SecretSpan> find_private_keys(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kKey = "PRIVATE KEY-----";
  std::vector<SecretSpan> spans;
  std::size_t at = 0;
  while ((at = text.find(kBegin, at)) != kNone) {
    const std::size_t line = std::min(text.find('\n', at), text.size());
    const std::size_t key = text.substr(0, line).find(kKey, at);
    if (key == kNone) {
      at = line;
      continue;
    }
    const std::size_t begin = key + kKey.size();
    const std::size_t end = std::min(text.find("-----END", begin), text.size());
    if (end > begin) spans.push_back({begin, end});
    at = end;
  }
  return spans;
}

std::vector<SecretSpan> find_logins(std::string_view text) {
  constexpr std::string_view kMark = "://";
  std::vector<SecretSpan> spans;
  std::size_t at = 0;
  while ((at = text.find(kMark, at)) != kNone) {
    const std::size_t begin = at + kMark.size();
    const std::size_t end =
        std::min(text.find_first_of("/ \t\r\n\"'<>", begin), text.size());
    const std::size_t sign = text.substr(begin, end - begin).rfind('@');
    if (sign != kNone && sign > 0) spans.push_back({begin, begin + sign});
    at = end;
  }
  return spans;
}

std::vector<SecretSpan> find_settings(std::string_view text) {
  std::vector<SecretSpan> spans;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_name_char(text[at])) {
      ++at;
      continue;
    }
    const std::size_t end = name_end(text, at);
    const std::string_view name = text.substr(at, end - at);
    if (!is_secret_name(name)) {
      at = end;
      continue;
    }
    const bool may_be_bare = name.starts_with("--") || name == "password";
    const auto start = value_start(text, end, may_be_bare);
    if (!start) {
      at = end;
      continue;
    }
    const SecretSpan span = value_span(text, at, *start);
    const std::string_view value =
        text.substr(span.begin, span.end - span.begin);
    if (!is_harmless(value)) spans.push_back(span);
    at = std::max(end, span.end);
  }
  return spans;
}

std::vector<SecretSpan> find_tokens(std::string_view text) {
  std::vector<SecretSpan> spans;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = name_end(text, at);
    if (is_token(text.substr(at, end - at))) spans.push_back({at, end});
    at = end + 1;
  }
  return spans;
}

std::vector<SecretSpan> find_addresses(std::string_view text) {
  std::vector<SecretSpan> spans;
  for (std::size_t at = 0; at < text.size();) {
    const bool is_start =
        at == 0 || (!is_alphanumeric(text[at - 1]) && text[at - 1] != ':' &&
                    text[at - 1] != '-');
    const std::size_t end = is_start ? address_end(text, at) : at;
    if (end > at && !is_any_address(text.substr(at, end - at))) {
      spans.push_back({at, end, true});
    }
    at = std::max(end, at + 1);
  }
  return spans;
}

}  // namespace gpunode::facts
