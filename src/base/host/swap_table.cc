#include "base/host/swap_table.h"

#include <charconv>
#include <optional>
#include <utility>

#include "base/host/mount_table.h"

namespace gpunode::host {
namespace {

constexpr std::string_view kBlanks = " \t";

/// Takes the last field of a line off it. From the end, because "\040(deleted)"
/// follows the name with a plain blank on some kernels.
std::string_view take_last(std::string_view& line) {
  const std::size_t last = line.find_last_not_of(kBlanks);
  if (last == std::string_view::npos) return {};
  line = line.substr(0, last + 1);
  const std::size_t before = line.find_last_of(kBlanks);
  const std::size_t start = before == std::string_view::npos ? 0 : before + 1;
  const std::string_view field = line.substr(start);
  line = line.substr(0, start);
  return field;
}

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end && !text.empty();
}

/// "/dev/sda3    partition    8388604    0    -2"; sizes in KiB.
std::optional<Swap> parse_line(std::string_view line) {
  Swap swap;
  std::uint64_t size_kib = 0;
  std::uint64_t used_kib = 0;
  constexpr std::uint64_t kMost = UINT64_MAX / 1024;
  if (!read_number(take_last(line), swap.priority) ||
      !read_number(take_last(line), used_kib) ||
      !read_number(take_last(line), size_kib) || size_kib > kMost ||
      used_kib > kMost) {
    return std::nullopt;
  }
  swap.kind = take_last(line);
  swap.size_bytes = size_kib * 1024;
  swap.used_bytes = used_kib * 1024;
  const std::size_t last = line.find_last_not_of(kBlanks);
  if (last == std::string_view::npos || swap.kind.empty()) return std::nullopt;
  swap.path = unescape_octal(line.substr(0, last + 1));
  constexpr std::string_view kDeleted = " (deleted)";
  if (swap.path.size() > kDeleted.size() && swap.path.ends_with(kDeleted)) {
    swap.path.resize(swap.path.size() - kDeleted.size());
    swap.deleted = true;
  }
  return swap;
}

}  // namespace

Result<std::vector<Swap>> parse_swap_table(std::string_view text) {
  std::vector<Swap> swaps;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || (number == 1 && line.starts_with("Filename"))) continue;
    auto swap = parse_line(line);
    if (!swap) {
      return Error(ErrorCode::kCorrupt, "swap table: line " +
                                            std::to_string(number) +
                                            " is not one of /proc/swaps");
    }
    swaps.push_back(*std::move(swap));
  }
  return swaps;
}

Result<std::vector<Swap>> read_swap_table(const HostRoot& host) {
  const auto text = host.read_file("/proc/swaps");
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return std::vector<Swap>();
    return text.error();
  }
  return parse_swap_table(*text);
}

}  // namespace gpunode::host
