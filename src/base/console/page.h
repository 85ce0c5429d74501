// Lines for a person, safe to show whoever wrote the words in them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/console/terminal.h"

namespace gpunode::console {

/// What a line is to the eye: a colour where there are colours, nothing else.
enum class Style { kPlain, kHeading, kGood, kWarning, kBad, kDim };

/// `text` with a question mark for each byte that is not printable ASCII: a
/// terminal obeys control bytes, and some obey those from 0x80 on.
std::string printable(std::string_view text);

/// A text in lines. Words of others may be handed to it as they came: what
/// does not print is replaced here, and a line can never become two.
class Page {
 public:
  /// A line that starts at column `indent` (0 is the first). Folded, it goes
  /// on two columns further in.
  void line(std::size_t indent, std::string_view text,
            Style style = Style::kPlain);

  /// Every line with its end. A word that does not fit stays whole: it can
  /// still be copied.
  std::string render(const Terminal& terminal) const;

 private:
  struct Line {
    std::size_t indent;
    std::string text;
    Style style;
  };
  std::vector<Line> lines_;
};

}  // namespace gpunode::console
