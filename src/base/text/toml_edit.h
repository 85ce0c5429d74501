// A TOML text changed key by key, with everything else left as written.
//
// Comments, order, indentation, line endings and forms of values survive,
// which no library that reads and writes TOML can promise. Each change is
// proven: the new text is parsed, and its tree must be the old one's with
// just that change.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/byte_edit.h"
#include "base/text/tree.h"

namespace gpunode::text {

/// One document and the changes made to it so far. After a failed change it is
/// as it was before.
class TomlEditor {
 public:
  /// Fails as parse_toml does. `file_name` is for messages only.
  static Result<TomlEditor> open(std::string text, std::string file_name);

  const std::string& text() const { return text_; }
  const Node& tree() const { return tree_; }

  /// Makes `path` have `value`; tables on the way are made. A mapping becomes a
  /// table of its own and must be new. No effect if the value is there
  /// already. Fails with kAlreadyExists if a table is where a value should be
  /// or the other way round, kUnsupported inside [[lists]] of tables.
  Result<void> set(const KeyPath& path, const Node& value);

  /// Adds a string to the end of the array at `path`, which is made if it is
  /// not there. Fails with kAlreadyExists if something else is there.
  Result<void> append(const KeyPath& path, const std::string& item);

  /// Takes away a key or a table with all below it, and tables that are only
  /// implied by it. No effect if there is nothing.
  Result<void> remove(const KeyPath& path);

 private:
  TomlEditor(std::string text, std::string file_name, Node tree)
      : text_(std::move(text)),
        file_name_(std::move(file_name)),
        tree_(std::move(tree)) {}

  Result<void> commit(std::vector<ByteEdit> edits, const Node& expected,
                      const KeyPath& path);

  std::string text_;
  std::string file_name_;
  Node tree_;
};

}  // namespace gpunode::text
