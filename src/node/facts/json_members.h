// Members and items of JSON objects, read one by one.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/text/json_reader.h"

namespace gpunode::facts::json {

inline Result<void> skip(text::JsonReader& reader) {
  TRY(const text::JsonSpan span, reader.skip());
  static_cast<void>(span);
  return {};
}

/// Calls `use` with each key of an object; it reads the value and returns
/// whether it knew the key, else the value is passed over.
template <class Use>
Result<void> for_each_member(text::JsonReader& reader, Use use) {
  TRY_VOID(reader.enter_object());
  for (;;) {
    TRY(const std::optional<std::string> key, reader.next_key());
    if (!key) return {};
    TRY(const bool is_known, use(*key));
    if (!is_known) TRY_VOID(skip(reader));
  }
}

/// Calls `use` before each item of an array; it reads the item. True, as the
/// value of a member that is known.
template <class Use>
Result<bool> read_items(text::JsonReader& reader, Use use) {
  TRY_VOID(reader.enter_array());
  for (;;) {
    TRY(const bool has_item, reader.next_item());
    if (!has_item) return true;
    TRY_VOID(use());
  }
}

/// A number that `into` can hold.
template <class Number>
Result<bool> read(text::JsonReader& reader, Number& into) {
  const std::size_t start = reader.position();
  TRY(const std::size_t number, reader.whole_number());
  if (number > static_cast<std::size_t>(std::numeric_limits<Number>::max())) {
    return reader.fault(start, "the number is too large");
  }
  into = static_cast<Number>(number);
  return true;
}

inline Result<bool> read(text::JsonReader& reader, std::string& into) {
  TRY(into, reader.string());
  return true;
}

inline Result<bool> read(text::JsonReader& reader, bool& into) {
  const std::size_t start = reader.position();
  TRY(const text::JsonKind kind, reader.kind());
  if (kind != text::JsonKind::kBool) {
    return reader.fault(start, "neither true nor false");
  }
  TRY(const text::JsonSpan span, reader.skip());
  into = span.end - span.begin == std::string_view("true").size();
  return true;
}

}  // namespace gpunode::facts::json
