// Base64 (RFC 4648), the ordinary alphabet.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gpunode::text {

/// With padding, on one line.
std::string encode_base64(std::string_view bytes);

/// White space anywhere and missing padding are no harm; anything else that is
/// not of the alphabet is.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace gpunode::text
