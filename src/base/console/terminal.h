// Who reads what a program prints: a person at a terminal, or a pipe.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace gpunode::console {

/// How text is to be laid out. The default is what a pipe or a file gets: plain
/// lines of any length, for grep and for logs.
struct Terminal {
  std::size_t width = 0;     ///< Columns; 0: lines are not folded.
  bool has_colours = false;  ///< ECMA-48 colours may be written.
  std::size_t height = 0;    ///< Rows; 0: not known.
  /// The cursor can be moved and lines can be drawn over.
  bool can_redraw = false;

  bool operator==(const Terminal&) const = default;
};

/// Looks up a variable of the environment.
using Environment = std::function<std::optional<std::string>(std::string_view)>;

/// What `fd` leads to. Of a terminal the width is COLUMNS if that is a number,
/// and no more than the terminal's own word; else that. Colours only there, and
/// not with NO_COLOR (any text, https://no-color.org), with TERM=dumb or when
/// `wants_colours` is false. Cheap: who draws again asks again, for people
/// resize their terminals.
Terminal look_at(int fd, const Environment& environment, bool wants_colours);

}  // namespace gpunode::console
