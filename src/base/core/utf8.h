// Whether bytes are UTF-8 (RFC 3629), and what to write where they are not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpunode {

/// U+FFFD, in place of a byte that is part of no character.
inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// Bytes of the character that `text` starts with; 0 if it starts with none.
std::size_t utf8_length(std::string_view text);

/// `text` with kReplacement for each byte that is not UTF-8: what strangers
/// wrote, in a format that must be.
std::string mended_utf8(std::string_view text);

}  // namespace gpunode
