#include "node/facts/swaps.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "node/facts/fstab.h"
#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view take_field(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view field =
      line.substr(0, std::min(line.find_first_of(kBlanks), line.size()));
  line.remove_prefix(field.size());
  return field;
}

}  // namespace

std::vector<SwapFacts> parse_swaps(std::string_view text) {
  std::vector<SwapFacts> swaps;
  while (!text.empty()) {
    // "/dev/sda3    partition    8388604    0    -2"; KiB.
    std::string_view line = take_line(text);
    SwapFacts swap;
    swap.path = unescape_octal(take_field(line));
    swap.kind = take_field(line);
    const std::string_view size = take_field(line);
    std::uint64_t kib = 0;
    const auto [stop, error] =
        std::from_chars(size.data(), size.data() + size.size(), kib);
    // The heading has no number.
    if (error != std::errc() || kib > UINT64_MAX / 1024) continue;
    swap.size_bytes = kib * 1024;
    swaps.push_back(std::move(swap));
  }
  return swaps;
}

}  // namespace gpunode::facts
