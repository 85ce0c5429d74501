#include "agent/config/resource_name.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::config {
namespace {

constexpr std::string_view kPrefix = "nvidia.com/";
constexpr std::size_t kLongestName = 63;  // A label key's limit in Kubernetes.

constexpr std::string_view kNotASubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, '-' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

bool is_lower_or_digit(char c) {
  return is_lower(c) || is_digit(c);
}

bool is_label(std::string_view label) {
  return !label.empty() && is_lower_or_digit(label.front()) &&
         is_lower_or_digit(label.back()) &&
         std::ranges::all_of(
             label, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_subdomain(std::string_view name) {
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_unsigned(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc{} && parsed.ptr == end;
}

// The standard form, and the three others that the peer's UUID library takes:
// without dashes, in braces, as a URN.
bool is_uuid(std::string_view text) {
  constexpr std::string_view kUrn = "urn:uuid:";
  if (text.size() == 36 + kUrn.size()) {
    if (!text.starts_with(kUrn)) return false;
    text.remove_prefix(kUrn.size());
  } else if (text.size() == 38 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, 36);
  }
  if (text.size() == 32) return std::ranges::all_of(text, is_hex_digit);
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex_digit(text[i])) return false;
  }
  return true;
}

bool is_gpu_uuid(std::string_view text) {
  return text.starts_with("GPU-") && is_uuid(text.substr(4));
}

bool is_mig_uuid(std::string_view text) {
  if (!text.starts_with("MIG-")) return false;
  text.remove_prefix(4);
  if (is_uuid(text)) return true;
  const std::size_t first = text.find('/');
  if (first == std::string_view::npos) return false;
  const std::size_t second = text.find('/', first + 1);
  if (second == std::string_view::npos) return false;
  return is_gpu_uuid(text.substr(0, first)) &&
         is_unsigned(text.substr(first + 1, second - first - 1)) &&
         is_unsigned(text.substr(second + 1));
}

bool is_mig_index(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos &&
         is_unsigned(text.substr(0, colon)) &&
         is_unsigned(text.substr(colon + 1));
}

}  // namespace

Result<std::string> parse_resource_name(std::string_view written) {
  std::string name(written);
  if (!written.starts_with(kPrefix)) name.insert(0, kPrefix);
  if (name.size() > kLongestName) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("fully-qualified resource name must be {} "
                             "characters or less: {}",
                             kLongestName, name)};
  }
  const std::string_view rest = std::string_view(name).substr(kPrefix.size());
  if (!is_subdomain(rest)) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("incorrect format for resource name '{}': [{}]",
                             name, kNotASubdomain)};
  }
  return name;
}

bool is_device_ref(std::string_view text) {
  return is_unsigned(text) || is_mig_index(text) || is_gpu_uuid(text) ||
         is_mig_uuid(text);
}

}  // namespace gpunode::config
