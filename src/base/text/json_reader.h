// JSON read in place: every value keeps the bytes it was written as.
//
// A pull reader for texts of which a few values matter and the rest must come
// through untouched (a container's config.json). It is as strict as Go's
// encoding/json, whose words its errors use, and as tolerant: bytes that are
// not UTF-8 pass through strings unchanged.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/text/node.h"

namespace gpunode::text {

/// A range of bytes of a text.
struct JsonSpan {
  std::size_t begin = 0;
  std::size_t end = 0;  ///< One past the last byte.

  std::string_view of(std::string_view text) const {
    return text.substr(begin, end - begin);
  }
  friend bool operator==(const JsonSpan&, const JsonSpan&) = default;
};

enum class JsonKind { kNull, kBool, kNumber, kString, kArray, kObject };

/// Reads one text from front to back. All failures are kCorrupt and one line
/// that starts with file, line and column. After a failure the reader is spent.
///
///   TRY_VOID(reader.enter_object());
///   for (;;) {
///     TRY(const auto key, reader.next_key());
///     if (!key) break;
///     if (*key == "env") … else TRY_VOID(reader.skip());
///   }
class JsonReader {
 public:
  /// Objects and arrays inside each other; Go's own bound.
  static constexpr std::size_t kMaxDepth = 10'000;

  /// Both must outlive the reader. `part` narrows it to one value of `text`.
  JsonReader(std::string_view text, std::string_view file_name)
      : JsonReader(text, file_name, {0, text.size()}) {}
  JsonReader(std::string_view text, std::string_view file_name, JsonSpan part)
      : text_(text.substr(0, part.end)),
        file_name_(file_name),
        position_(part.begin) {}

  /// What kind of value comes; nothing is consumed but white space.
  Result<JsonKind> kind();

  /// Checks one value of any kind and passes it.
  Result<JsonSpan> skip();

  /// Reads a string, escapes resolved; half a surrogate pair is U+FFFD.
  Result<std::string> string();

  /// Reads a whole number without sign, fraction or exponent.
  Result<std::size_t> whole_number();

  /// Passes `{`; then next_key() gives the members' keys, nothing at `}`. The
  /// value after a key must be read before the next key is asked for.
  Result<void> enter_object();
  Result<std::optional<std::string>> next_key();

  /// Passes `[`; then next_item() says whether another value comes.
  Result<void> enter_array();
  Result<bool> next_item();

  /// Fails unless only white space follows.
  Result<void> finish();

  /// All of it, for JsonSpan::of().
  std::string_view text() const { return text_; }

  /// Where the next byte is read. Just after a value: its end. After kind():
  /// the start of the value that comes.
  std::size_t position() const { return position_; }

  /// A failure of the caller's own at `position`.
  Error fault(std::size_t position, std::string_view words) const;

 private:
  void pass_space();
  bool at_end() const { return position_ >= text_.size(); }
  Error unexpected(std::string_view context) const;
  Result<void> expect(char wanted, std::string_view context);
  Result<void> descend();
  Result<JsonSpan> pass_string();
  Result<JsonSpan> pass_number();
  Result<JsonSpan> pass_word(std::string_view word);
  Result<JsonSpan> pass_scalar();
  Result<void> pass_escape();
  Result<void> pass_digits();
  Result<void> pass_key();
  /// Passes a scalar, or enters an object or array: true if it has content.
  Result<bool> pass_or_open(JsonKind kind, std::string& open);
  /// Passes what follows a value: true for a comma, false for the end of the
  /// innermost of `open`, which is then taken off.
  Result<bool> pass_separator(std::string& open);

  std::string_view text_;
  std::string_view file_name_;
  std::size_t position_ = 0;
  std::size_t depth_ = 0;
  bool is_first_ = false;  ///< An object or array was just entered.
};

/// The line and column of a byte of `text`.
Mark mark_of(std::string_view text, std::size_t position);

}  // namespace gpunode::text
