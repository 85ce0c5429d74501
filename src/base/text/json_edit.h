// A JSON text changed member by member, with everything else left as written.
//
// For files that people keep by hand (Docker's daemon.json): order, white
// space, forms of numbers and unknown members survive. Each change is proven
// by reading the new text and comparing trees. (json_splice.h is for texts
// that programs made and where speed counts.)
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/text/json_reader.h"
#include "base/text/tree.h"

namespace gpunode::text {

/// A value and where it is written.
struct JsonValue {
  struct Member;

  Node::Kind kind = Node::Kind::kNull;
  JsonSpan span;
  std::string scalar;  ///< As in Node; numbers as written.
  std::vector<Member> members;
  std::vector<JsonValue> items;
};

struct JsonValue::Member {
  std::string key;
  std::size_t key_begin = 0;  ///< Its opening quote.
  JsonValue value;
};

/// Reads a whole text. Of members with one key all are kept; the last counts,
/// as for Go. Fails with kCorrupt, in Go's words behind file, line and column;
/// an empty text is "EOF".
Result<JsonValue> read_json(std::string_view text, std::string_view file_name);

/// The same as a tree without places.
Node tree_of(const JsonValue& value);

/// `value` as JSON over several lines, `unit` a level; the first line is not
/// indented, the others by `indent`. No line feed at the end.
std::string json_text(const Node& value, std::string_view indent,
                      std::string_view unit);

/// One document and the changes made to it so far. After a failed change it is
/// as it was before.
class JsonEditor {
 public:
  /// The text must hold an object. Fails as read_json does.
  static Result<JsonEditor> open(std::string text, std::string file_name);

  const std::string& text() const { return text_; }
  const Node& tree() const { return tree_; }

  /// Makes `path` have `value`; objects on the way are made. No effect if the
  /// value is there already. kAlreadyExists if something on the way is no
  /// object.
  Result<void> set(const KeyPath& path, const Node& value);

  /// Takes away a member. No effect if there is none.
  Result<void> remove(const KeyPath& path);

 private:
  JsonEditor(std::string text, std::string file_name, JsonValue value)
      : text_(std::move(text)),
        file_name_(std::move(file_name)),
        value_(std::move(value)),
        tree_(tree_of(value_)) {}

  Result<void> commit(std::size_t begin, std::size_t end,
                      const std::string& text, const Node& expected,
                      const KeyPath& path);

  std::string text_;
  std::string file_name_;
  JsonValue value_;
  Node tree_;
};

}  // namespace gpunode::text
