// Pieces of Go's text conventions that NVIDIA's messages and rules rest on.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::text {

/// As Go's %q.
std::string go_quote(std::string_view text);

/// `text` as one line of at most 2000 bytes for a log: control characters are
/// escaped, the rest is cut. Config files and arguments are not trusted.
std::string one_line(std::string_view text);

/// strconv.ParseBool; the error is Go's.
Result<bool> parse_go_bool(std::string_view text);

/// strconv.ParseInt(text, 0, 64): decimal, 0x, 0o, 0b, leading 0 for octal.
Result<std::int64_t> parse_go_int(std::string_view text);

/// time.ParseDuration, "1h2m3.5s"; the error is Go's.
Result<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

/// strings.Split(text, ","): an empty text is one empty item.
std::vector<std::string_view> split_at_commas(std::string_view text);

std::string_view trimmed(std::string_view text);

}  // namespace gpunode::text
