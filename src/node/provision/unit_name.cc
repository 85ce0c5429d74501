#include "node/provision/unit_name.h"

#include <fmt/format.h>

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
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == ':' || c == '_' ||
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

}  // namespace gpunode::provision
