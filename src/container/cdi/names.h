// The names of the CDI specification: kinds, devices, qualified names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "container/cdi/spec.h"

namespace gpunode::cdi {

/// What is wrong with a name, as the end of a sentence ("ends in '-'");
/// nothing if it is one. Vendors and classes are letters, digits, '_', '-' and
/// '.', from a letter to a letter or digit; devices may hold ':' too and start
/// with a digit.
std::optional<std::string> fault_of_vendor(std::string_view vendor);
std::optional<std::string> fault_of_class(std::string_view klass);
std::optional<std::string> fault_of_device(std::string_view device);
/// Of "vendor/class".
std::optional<std::string> fault_of_kind(std::string_view kind);

/// Takes "nvidia.com/gpu=0" apart; kInvalidArgument says what is wrong.
Result<QualifiedName> parse_qualified_name(std::string_view text);

/// True if `text` has the form of a qualified name and every part is a name.
bool is_qualified_name(std::string_view text);

/// `value` in quotes for a message of one line: escaped, and cut when long.
std::string in_quotes(std::string_view value);

}  // namespace gpunode::cdi
