// Values and whole documents as TOML text.
#pragma once

#include <string>
#include <string_view>

#include "base/text/node.h"

namespace gpunode::text {

/// A key as TOML writes it: bare where it may be, quoted elsewhere.
std::string toml_key(std::string_view key);

/// `value` on one line: "text", 3, true, ["a", "b"], { a = 1 }. TOML has no
/// null; one is written as "".
std::string toml_value(const Node& value);

/// A whole document in the style of NVIDIA's tools: keys sorted, values before
/// tables, every parent table with its header, two spaces a level and an empty
/// line before each table. `root` is a mapping.
std::string toml_document(const Node& root);

}  // namespace gpunode::text
