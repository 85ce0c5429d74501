#include "agent/resource/resource_name.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::resource {
namespace {

constexpr std::size_t kMaxLength = 63;

bool is_lower_or_digit(char c) {
  return is_lower(c) || is_digit(c);
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && is_lower_or_digit(text.front()) &&
         is_lower_or_digit(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<ResourceName> ResourceName::parse(std::string_view text) {
  if (text.size() > kMaxLength) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("fully-qualified resource name must be {} "
                             "characters or less: {}",
                             kMaxLength, text));
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos ||
      !is_dns_subdomain(text.substr(0, slash)) ||
      !is_dns_subdomain(text.substr(slash + 1))) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("incorrect format for resource name '{}': [a lowercase "
                    "RFC 1123 subdomain must consist of lower case "
                    "alphanumeric characters, '-' or '.', and must start and "
                    "end with an alphanumeric character (e.g. 'example.com', "
                    "regex used for validation is "
                    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?"
                    "(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]",
                    text));
  }
  return ResourceName(std::string(text));
}

}  // namespace gpunode::resource
