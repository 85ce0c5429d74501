#include "base/console/live_area.h"

#include <algorithm>

#include <fmt/format.h>

namespace gpunode::console {

/// What takes the area away. A terminal that became narrower has folded the
/// lines, some in this way and some in that: they stay, rather than that a line
/// above them goes.
std::string LiveArea::erased(const Terminal& terminal) {
  const std::size_t rows = rows_;
  const bool is_folded = widest_ > terminal.width;
  rows_ = 0;
  widest_ = 0;
  if (rows == 0 || is_folded) return "";
  return fmt::format("\r\x1b[{}A\x1b[J", rows);
}

void LiveArea::show(const std::vector<Line>& lines, const Terminal& terminal) {
  if (!terminal.can_redraw || terminal.width == 0) return;
  std::string text = erased(terminal);
  const std::size_t room = terminal.height > 1 ? terminal.height - 1 : 1;
  for (const Line& line : lines) {
    if (rows_ == room) break;
    // The last column stays free: some terminals fold as soon as it is full.
    const std::string shown =
        printable(line.text).substr(0, terminal.width - 1);
    const bool is_dim = line.style == Style::kDim && terminal.has_colours;
    text += is_dim ? "\x1b[2m" + shown + "\x1b[0m\n" : shown + "\n";
    widest_ = std::max(widest_, shown.size());
    ++rows_;
  }
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
}

void LiveArea::clear(const Terminal& terminal) {
  const std::string text = erased(terminal);
  if (text.empty()) return;
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
}

}  // namespace gpunode::console
