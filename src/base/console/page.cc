#include "base/console/page.h"

#include <algorithm>

#include "base/console/colour.h"

namespace gpunode::console {
namespace {

constexpr std::size_t kFurtherIn = 2;

/// Where `text` is to be broken so that its first part fits `room`; at its end
/// if it fits, behind a long word if that does not.
std::size_t break_of(std::string_view text, std::size_t room) {
  if (text.size() <= room) return text.size();
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return text.size();
  std::size_t space = text.rfind(' ', room);
  if (space == std::string_view::npos || space <= first) {
    space = text.find(' ', first);
  }
  return space == std::string_view::npos ? text.size() : space;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown(text);
  std::replace_if(
      shown.begin(), shown.end(),
      [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
  return shown;
}

void Page::line(std::size_t indent, std::string_view text, Style style) {
  lines_.push_back({indent, printable(text), style});
}

std::string Page::render(const Terminal& terminal) const {
  std::string out;
  for (const Line& line : lines_) {
    const std::string_view colour =
        terminal.has_colours ? colour_of(line.style) : std::string_view();
    std::string_view rest = line.text;
    std::size_t indent = line.indent;
    do {
      const std::size_t room =
          terminal.width == 0 ? rest.size()
                              : std::max(terminal.width, indent + 1) - indent;
      const std::size_t end = break_of(rest, room);
      out.append(indent, ' ');
      out += colour;
      out += rest.substr(0, end);
      if (!colour.empty()) out += "\x1b[0m";
      out += '\n';
      rest.remove_prefix(end);
      rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
      indent = line.indent + kFurtherIn;
    } while (!rest.empty());
  }
  return out;
}

}  // namespace gpunode::console
