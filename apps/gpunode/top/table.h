// A table that gives up columns rather than lines.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace gpunode::top {

struct Column {
  std::string title;
  bool is_number = false;  ///< To the right.
  /// The higher, the sooner it goes where there is no room; 0: never.
  int spare = 0;
  bool can_shrink = false;  ///< Down to kNarrowest, before a column goes.
};

inline constexpr std::size_t kNarrowest = 12;

/// The header and a line for each of `rows`, which have a cell for each
/// column; no line is longer than `width`, 0: of any length. Cells are made
/// printable; what is cut ends in "~".
std::vector<std::string> lay_out(
    const std::vector<Column>& columns,
    const std::vector<std::vector<std::string>>& rows, std::size_t width);

/// The first `width` columns of `text`, with "~" in the last if that is not
/// all; 0: all.
std::string cut(const std::string& text, std::size_t width);

}  // namespace gpunode::top
