#include "apps/gpunode/commands/share_amount.h"

#include <charconv>

#include <fmt/format.h>

namespace gpunode::cli {

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc()) return std::nullopt;
  const std::string_view word(unit, static_cast<std::size_t>(end - unit));
  const std::uint64_t each = word == "MiB" ? kMiB : word == "GiB" ? kGiB : 0;
  if (each == 0 || count == 0 || count > (std::uint64_t{1} << 50U) / each) {
    return std::nullopt;
  }
  return count * each;
}

std::optional<std::uint32_t> parse_percent(std::string_view text) {
  constexpr std::uint32_t kMost = 100;
  std::uint32_t whole = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, whole);
  if (error != std::errc() || whole < 1 || whole > kMost) return std::nullopt;
  std::uint32_t tenths = 0;
  if (rest != end) {
    if (end - rest != 2 || rest[0] != '.' || rest[1] < '0' || rest[1] > '9') {
      return std::nullopt;
    }
    tenths = static_cast<std::uint32_t>(rest[1] - '0');
  }
  const std::uint32_t thousandths = whole * 10 + tenths;
  if (thousandths > kMost * 10) return std::nullopt;
  return thousandths;
}

std::optional<share::TurnPriority> parse_priority(std::string_view text) {
  if (text == "pod") return share::TurnPriority{};
  share::TurnPriority priority{0, share::PrioritySource::kHand};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, priority.value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return priority;
}

std::string percent_text(std::uint64_t thousandths) {
  return thousandths % 10 == 0
             ? fmt::format("{} %", thousandths / 10)
             : fmt::format("{}.{} %", thousandths / 10, thousandths % 10);
}

}  // namespace gpunode::cli
