// Texts for people about the command line, all made from option_table().
//
// `program` is the name the process was called by; what is no plain file name
// in it is dropped, since it ends up in scripts.
#pragma once

#include <string>
#include <string_view>

#include "base/core/error.h"
#include "base/core/result.h"

namespace gpunode::config {

/// The page for `--help`: grouped options with defaults and variables, then
/// precedence, examples and exit codes.
std::string help_text(std::string_view program);

/// What goes to standard output when parse_command_line failed: the peer's
/// "Incorrect Usage: <text>", an empty line, the help.
std::string usage_error_text(const Error& error, std::string_view program);

/// A completion script for bash, zsh or fish; kInvalidArgument for others.
Result<std::string> completion_script(std::string_view shell,
                                      std::string_view program);

/// A manual page, section 8, in troff.
std::string man_page(std::string_view program, std::string_view version);

}  // namespace gpunode::config
