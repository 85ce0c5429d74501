#include "node/provision/unit_name.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::provision {

std::string unit_name(std::string_view path, std::string_view suffix) {
  std::string name;
  bool after_slash = true;
  for (const char c : path) {
    if (c == '/') {
      after_slash = true;
      continue;
    }
    if (after_slash && !name.empty()) name += '-';
    const bool plain = is_alphanumeric(c) || c == ':' || c == '_' ||
                       (c == '.' && !name.empty());
    if (plain) {
      name += c;
    } else {
      name += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    after_slash = false;
  }
  if (name.empty()) name.push_back('-');
  return fmt::format("{}.{}", name, suffix);
}

bool is_service_name(std::string_view name) {
  constexpr std::string_view kSuffix = ".service";
  constexpr std::size_t kLimit = 255;
  if (name.size() > kLimit || !name.ends_with(kSuffix)) return false;
  const std::string_view stem = name.substr(0, name.size() - kSuffix.size());
  if (stem.empty() || stem.front() == '-' || stem.front() == '.' ||
      stem.front() == '@' || stem.back() == '@') {
    return false;
  }
  return std::ranges::all_of(stem, [](char c) {
    return is_alphanumeric(c) || c == ':' || c == '-' || c == '_' || c == '.' ||
           c == '@' || c == '\\';
  });
}

std::string exec_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:,";
  if (!text.empty() &&
      text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string word = "\"";
  for (const char c : text) {
    if (c == '%' || c == '$') {
      word.append(2, c);
    } else if (c == '"' || c == '\\') {
      word += '\\';
      word += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      word += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      word += c;
    }
  }
  return word + "\"";
}

}  // namespace gpunode::provision
