// Changes of a text by ranges of bytes: what is outside them stays as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::text {

/// A range of bytes of a text.
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;  ///< One past the last byte.

  std::string_view of(std::string_view text) const {
    return text.substr(begin, end - begin);
  }
};

/// `range` is to become `text`; an empty range is an insertion.
struct ByteEdit {
  ByteRange range;
  std::string text;
};

/// `text` with all edits made. Ranges must not overlap; edits at one place are
/// made in the order given.
std::string apply_edits(std::string_view text, std::vector<ByteEdit> edits);

/// The start of the line that `position` is in.
std::size_t line_start(std::string_view text, std::size_t position);

/// Just behind the line feed of the line that `position` is in, or the end.
std::size_t next_line(std::string_view text, std::size_t position);

/// Spaces and tabs at the start of the line that `position` is in.
std::string_view indent_at(std::string_view text, std::size_t position);

/// "\r\n" if the first line ends so, else "\n".
std::string_view newline_of(std::string_view text);

}  // namespace gpunode::text
