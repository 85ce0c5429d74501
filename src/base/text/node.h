// A document after reading: values with the place each was written.
//
// What the YAML and JSON readers hand out and what decoders walk. A Node is
// passive data and owns everything below it; no type of a parsing library
// appears here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::text {

/// A place in a text, counted from 1. Columns count characters, not bytes.
/// Line 0: nowhere (a value that no text contains).
struct Mark {
  std::size_t line = 0;
  std::size_t column = 0;

  friend bool operator==(const Mark&, const Mark&) = default;
};

/// "config.yaml:9:21", or the name alone when the mark is nowhere.
std::string at(std::string_view file_name, Mark mark);

struct Entry;

/// One value. Depth is bounded by the reader, so recursion over it is safe.
struct Node {
  enum class Kind {
    kNull,
    kBool,
    kInteger,  ///< Any size; `scalar` is its decimal form.
    kFloat,    ///< Finite; `scalar` is its JSON form, never that of an integer.
    kString,
    kSequence,
    kMapping,
  };

  Kind kind = Kind::kNull;
  Mark mark;
  std::string scalar;  ///< "true" or "false" for kBool.
  /// A kInteger that was written with a fraction or an exponent, as 2.0.
  bool was_float = false;
  std::vector<Node> items;
  std::vector<Entry> entries;  ///< As written; keys are unique.

  bool is(Kind wanted) const { return kind == wanted; }
  bool is_true() const { return kind == Kind::kBool && scalar == "true"; }

  /// The entry with exactly this key; nullptr if this has none.
  const Entry* find(std::string_view key) const;
};

/// `key: value` of a mapping.
struct Entry {
  std::string key;
  Mark mark;  ///< Of the key.
  Node value;
};

/// `value` as JSON on one line, keys in byte order, with Go's escapes
/// ("<", ">" and "&" too): what NVIDIA's messages quote.
std::string to_json(const Node& value);

/// `value` as a JSON string, quotes included, escaped as to_json does.
std::string json_string(std::string_view value);

}  // namespace gpunode::text
