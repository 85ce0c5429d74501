// Where in a TOML text everything is written.
//
// The map that toml_edit.h works from: sections, keys and values as ranges of
// bytes. It is made of a text that the parser has accepted, so that it need
// not judge, only find.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/byte_edit.h"
#include "base/text/tree.h"

namespace gpunode::text {

/// One `key = value`.
struct TomlItem {
  KeyPath path;  ///< From the root of the document.
  ByteRange key;
  ByteRange value;
};

/// `[path]` or `[[path]]` and what follows it; the first section of a layout is
/// what stands before any header.
struct TomlSection {
  KeyPath path;
  bool is_list = false;  ///< [[path]].
  ByteRange header;      ///< From '[' to behind ']'; empty for the first.
  std::vector<TomlItem> items;
};

/// The sections of `text` in order; at least one. Fails with kInternal where
/// the parser would have refused the text.
Result<std::vector<TomlSection>> toml_layout(std::string_view text);

/// The items of the inline table at `table` whose path is `path`.
Result<std::vector<TomlItem>> inline_items(std::string_view text,
                                           ByteRange table,
                                           const KeyPath& path);

/// The values of the array at `array`.
Result<std::vector<ByteRange>> array_items(std::string_view text,
                                           ByteRange array);

}  // namespace gpunode::text
