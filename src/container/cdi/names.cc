#include "container/cdi/names.h"

#include <cstddef>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "base/text/node.h"

namespace gpunode::cdi {
namespace {

std::optional<std::string> fault_of_inner(std::string_view name,
                                          std::string_view punctuation) {
  for (const char c : name) {
    if (!is_alphanumeric(c) && punctuation.find(c) == punctuation.npos) {
      return fmt::format("has {}", in_quotes({&c, 1}));
    }
  }
  if (!is_alphanumeric(name.back())) {
    return fmt::format("ends in {}", in_quotes(name.substr(name.size() - 1)));
  }
  return std::nullopt;
}

std::optional<std::string> fault_of_kind_part(std::string_view name) {
  if (name.empty()) return "is empty";
  if (!is_letter(name.front())) return "does not start with a letter";
  return fault_of_inner(name, "_-.");
}

}  // namespace

std::optional<std::string> fault_of_vendor(std::string_view vendor) {
  return fault_of_kind_part(vendor);
}

std::optional<std::string> fault_of_class(std::string_view klass) {
  return fault_of_kind_part(klass);
}

std::optional<std::string> fault_of_device(std::string_view device) {
  if (device.empty()) return "is empty";
  if (!is_alphanumeric(device.front())) {
    return "does not start with a letter or digit";
  }
  return fault_of_inner(device, "_-.:");
}

std::optional<std::string> fault_of_kind(std::string_view kind) {
  const std::size_t slash = kind.find('/');
  if (slash == std::string_view::npos) return "is not vendor/class";
  if (auto fault = fault_of_vendor(kind.substr(0, slash))) {
    return "has a vendor that " + *fault;
  }
  if (auto fault = fault_of_class(kind.substr(slash + 1))) {
    return "has a class that " + *fault;
  }
  return std::nullopt;
}

Result<QualifiedName> parse_qualified_name(std::string_view text) {
  const auto refused = [text](const std::string& why) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("CDI device name {} {}", in_quotes(text), why));
  };
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return refused("is not vendor/class=device");
  }
  const std::string_view kind = text.substr(0, equals);
  if (auto fault = fault_of_kind(kind)) return refused(*fault);
  const std::string_view device = text.substr(equals + 1);
  if (auto fault = fault_of_device(device)) {
    return refused("has a device that " + *fault);
  }
  const std::size_t slash = kind.find('/');
  return QualifiedName{std::string(kind.substr(0, slash)),
                       std::string(kind.substr(slash + 1)),
                       std::string(device)};
}

bool is_qualified_name(std::string_view text) {
  return parse_qualified_name(text).has_value();
}

std::string in_quotes(std::string_view value) {
  constexpr std::size_t kShown = 120;
  if (value.size() <= kShown) return text::json_string(value);
  std::size_t end = kShown;
  // Not in the middle of a UTF-8 character.
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return text::json_string(value.substr(0, end)) + "...";
}

}  // namespace gpunode::cdi
