// A JSON text changed by bytes: what nobody changes comes out as it came in.
//
// Unknown members, the forms of numbers, order and white space all survive,
// which no reader that decodes and encodes again can promise.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "base/text/json_reader.h"

namespace gpunode::text {

/// An object or array of the source, as far as changing it needs to know.
struct JsonPlace {
  enum class State {
    kAbsent,
    kNull,  ///< Written as null, which stands for an empty one.
    kObject,
    kArray,
  };
  State state = State::kAbsent;
  JsonSpan span;
  /// Of an array the items; of an object the members' values, the last of
  /// which says where another member goes.
  std::vector<JsonSpan> items;

  bool is_present() const {
    return state == State::kObject || state == State::kArray;
  }
};

/// A set of changes to one text. Ranges must not overlap; insertions at one
/// place come out in the order they were made.
class JsonSplice {
 public:
  void replace(JsonSpan span, std::string text) {
    changes_.push_back({span, std::move(text)});
  }
  void insert(std::size_t position, std::string text) {
    replace({position, position}, std::move(text));
  }

  /// Adds `items` (JSON texts) behind what the array has; a null becomes an
  /// array. The place must not be absent.
  void append_items(const JsonPlace& array,
                    const std::vector<std::string>& items);

  /// Makes the array consist of exactly `items`, white space between the old
  /// ones not kept.
  void replace_items(const JsonPlace& array,
                     const std::vector<std::string_view>& items);

  /// Adds `"key":value` behind what the object has; a null becomes an object.
  /// Each key must be new to the object. The place must not be absent.
  void add_members(
      const JsonPlace& object,
      const std::vector<std::pair<std::string_view, std::string>>& members);

  bool is_empty() const { return changes_.empty(); }

  /// `source` with all changes made.
  std::string apply(std::string_view source) &&;

 private:
  struct Change {
    JsonSpan span;
    std::string text;
  };

  void add(const JsonPlace& place, char open, char close, std::string content);

  std::vector<Change> changes_;
};

/// Items as an array's text.
std::string json_array(const std::vector<std::string>& items);

/// Members as an object's text. Keys are quoted, values are JSON already.
std::string json_object(
    const std::vector<std::pair<std::string_view, std::string>>& members);

}  // namespace gpunode::text
