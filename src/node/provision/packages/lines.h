// Text that programs print, cut into lines and words.
#pragma once

#include <string_view>
#include <vector>

namespace gpunode::packages {

/// Without the newlines; a last line need not have one. Views of `text`.
std::vector<std::string_view> lines_of(std::string_view text);

/// Runs of anything but blanks.
std::vector<std::string_view> words_of(std::string_view line);

/// Without blanks at both ends.
std::string_view trimmed(std::string_view text);

}  // namespace gpunode::packages
