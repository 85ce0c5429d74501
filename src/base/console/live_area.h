// A few lines at the bottom of a terminal that are drawn again and again.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "base/console/page.h"
#include "base/console/terminal.h"

namespace gpunode::console {

/// Draws over what it drew before. Everybody else who writes to the terminal
/// clears it first. One thread.
class LiveArea {
 public:
  struct Line {
    std::string text;
    Style style = Style::kPlain;
  };

  /// `out` must outlive it.
  explicit LiveArea(std::FILE* out) : out_(out) {}

  /// Each line is cut to the width, and there are never more than fit below the
  /// top of the screen: what has scrolled away cannot be drawn over. Of a
  /// terminal that cannot be drawn over, nothing happens.
  void show(const std::vector<Line>& lines, const Terminal& terminal);

  /// The cursor is where the area began.
  void clear(const Terminal& terminal);

 private:
  std::string erased(const Terminal& terminal);

  std::FILE* out_;
  std::size_t rows_ = 0;    ///< Drawn now.
  std::size_t widest_ = 0;  ///< Columns of the longest of them.
};

}  // namespace gpunode::console
