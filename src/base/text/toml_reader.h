// TOML 1.0 read into a tree with marks.
//
// What engines of containers are configured with. Bounded like the YAML
// reader; an edit of the text is toml_edit.h's business.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/core/result.h"
#include "base/text/node.h"

namespace gpunode::text {

/// The longest text that is read. Real ones have a few kilobytes.
inline constexpr std::size_t kTomlLimitBytes = std::size_t{1} << 20U;

/// Reads a document, a UTF-8 byte order mark in front of it included. The
/// root is a mapping; dates and times are strings as TOML writes them, inf and
/// nan are kFloat under those names. `file_name` is for messages only.
/// Fails with kCorrupt and one line, "config.toml:4:2: ...".
Result<Node> parse_toml(std::string_view text, std::string_view file_name);

}  // namespace gpunode::text
