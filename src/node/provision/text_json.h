// Text of any bytes as JSON, which has UTF-8 alone.
//
// A host's files, a disk's label and a program's words are of whatever bytes
// somebody put there; a plan and what remains of a run must keep them exactly.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gpunode::provision {

/// A JSON value on one line: the text as a string, or, if it is not UTF-8,
/// {"base64": …}, which no text is.
std::string text_json(const std::string& text);

/// What text_json() was given; nothing for any other JSON.
std::optional<std::string> text_from_json(std::string_view json);

}  // namespace gpunode::provision
