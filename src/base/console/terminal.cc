#include "base/console/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>

namespace gpunode::console {
namespace {

/// What nobody's terminal is narrower than, or a mistake.
constexpr std::size_t kNarrowest = 20;
constexpr std::size_t kWidest = 10'000;

std::size_t width_in(const std::string& text) {
  std::size_t width = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, width);
  return error == std::errc() && at == end ? width : 0;
}

winsize size_of(int fd) {
  winsize size{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): the API's way.
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return {};
  return size;
}

std::size_t width_of(const winsize& size, const Environment& environment) {
  std::size_t width = width_in(environment("COLUMNS").value_or(""));
  // COLUMNS may be of a window that has become smaller since.
  if (width == 0 || (size.ws_col != 0 && width > size.ws_col)) {
    width = size.ws_col;
  }
  // A terminal that says 0, as a serial line's does, is not folded for.
  if (width == 0 || width > kWidest) return 0;
  return width < kNarrowest ? kNarrowest : width;
}

}  // namespace

Terminal look_at(int fd, const Environment& environment, bool wants_colours) {
  Terminal terminal;
  if (::isatty(fd) == 0) return terminal;
  const winsize size = size_of(fd);
  const bool is_dumb = environment("TERM").value_or("dumb") == "dumb";
  terminal.width = width_of(size, environment);
  terminal.height = size.ws_row;
  terminal.can_redraw = !is_dumb && terminal.width != 0 && terminal.height != 0;
  terminal.has_colours =
      wants_colours && !is_dumb && environment("NO_COLOR").value_or("").empty();
  return terminal;
}

}  // namespace gpunode::console
