#include "node/facts/kernel_message.h"

#include <algorithm>

#include "base/core/ascii.h"

namespace gpunode::facts {
namespace {

/// "[   12.345678] " off a line, if it is there.
void take_time(std::string_view& line) {
  if (!line.starts_with('[')) return;
  const std::size_t end = line.find("] ");
  if (end == std::string_view::npos || end > 24) return;
  const std::string_view time = line.substr(1, end - 1);
  if (!std::ranges::all_of(
          time, [](char c) { return is_digit(c) || c == '.' || c == ' '; })) {
    return;
  }
  line.remove_prefix(end + 2);
}

}  // namespace

std::string_view kernel_message(std::string_view line) {
  take_time(line);
  constexpr std::string_view kSyslog = " kernel: ";
  const std::size_t at = line.find(kSyslog);
  // A date and a host's name: not a colon of a message or program before it.
  if (at != std::string_view::npos && at < 120 &&
      line.substr(0, at + 1).find(": ") == std::string_view::npos) {
    line.remove_prefix(at + kSyslog.size());
    take_time(line);
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace gpunode::facts
