// Amounts of a share as a command line has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "share/grants/grant.h"

namespace gpunode::cli {

/// Bytes of "20GiB", "512MiB": whole, and not 0.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// Thousandths of "25", "12.5": 1 to 100 percent, with one decimal at most.
std::optional<std::uint32_t> parse_percent(std::string_view text);

/// "1000", "-5", as somebody sets it; "pod": nobody does any more.
std::optional<share::TurnPriority> parse_priority(std::string_view text);

/// "25 %", "12.5 %".
std::string percent_text(std::uint64_t thousandths);

}  // namespace gpunode::cli
