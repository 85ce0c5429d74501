#include "apps/runtime/invocation.h"

#include <optional>

#include "container/oci/passed_call.h"

namespace gpunode::runtime {
namespace {

/// `argument` without its dashes, or nothing if it has none.
std::optional<std::string_view> flag_of(std::string_view argument) {
  if (!argument.starts_with('-')) return std::nullopt;
  argument.remove_prefix(argument.starts_with("--") ? 2 : 1);
  return argument;
}

}  // namespace

Invocation read_invocation(std::span<const char* const> arguments) {
  Invocation call;
  call.is_create = oci::has_create_word(arguments.size(), arguments.data());
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (oci::is_version_flag(oci::chars_of(arguments[i]))) {
      call.wants_version = true;
    }
    const auto flag = flag_of(arguments[i]);
    if (!flag) continue;
    const std::size_t equals = flag->find('=');
    const std::string_view name = flag->substr(0, equals);
    // The value of name, or "" at the end of the line.
    const auto value = [&]() -> std::string {
      if (equals != std::string_view::npos) {
        return std::string(flag->substr(equals + 1));
      }
      return i + 1 < arguments.size() ? arguments[i + 1] : "";
    };
    if (name == "b" || name == "bundle") {
      call.bundle = value();
    } else if (name == "log") {
      call.log_path = value();
    } else if (name == "log-format") {
      call.is_log_json = value() == "json";
    }
  }
  if (call.bundle.empty()) call.bundle = std::string(".");
  return call;
}

}  // namespace gpunode::runtime
