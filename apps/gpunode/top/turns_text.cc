#include "apps/gpunode/top/turns_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace gpunode::top {
namespace {

constexpr const char* kUnknown = "-";
constexpr std::array<std::string_view, 6> kTitles = {"PART", "TIME",    "WAITS",
                                                     "MEAN", "BUSIEST", "SEEN"};

std::string percent_text(const std::optional<std::uint64_t>& thousandths) {
  if (!thousandths) return kUnknown;
  return *thousandths % 10 == 0
             ? fmt::format("{}%", *thousandths / 10)
             : fmt::format("{}.{}%", *thousandths / 10, *thousandths % 10);
}

std::optional<std::uint64_t> of_life(const HolderRow& holder,
                                     std::uint64_t TurnsOfHolder::*member) {
  if (!holder.turns || holder.turns->observed_seconds == 0) return std::nullopt;
  return (*holder.turns).*member;
}

}  // namespace

std::string part_text(const HolderRow& holder) {
  return holder.turns ? percent_text(holder.turns->part) : kUnknown;
}

std::string time_text(const HolderRow& holder) {
  if (!holder.turns) return kUnknown;
  const std::string text = percent_text(holder.turns->lately);
  return holder.turns->is_persistent ? "P " + text : text;
}

std::string waits_text(const HolderRow& holder) {
  return holder.turns ? percent_text(holder.turns->throttled_lately) : kUnknown;
}

std::string mean_text(const HolderRow& holder) {
  return percent_text(of_life(holder, &TurnsOfHolder::mean));
}

std::string busiest_text(const HolderRow& holder) {
  return percent_text(of_life(holder, &TurnsOfHolder::peak));
}

std::string seen_text(const HolderRow& holder) {
  constexpr std::uint64_t kMinute = 60;
  constexpr std::uint64_t kHour = 60 * kMinute;
  constexpr std::uint64_t kDay = 24 * kHour;
  const auto seconds = of_life(holder, &TurnsOfHolder::observed_seconds);
  if (!seconds) return kUnknown;
  if (*seconds >= kDay) return fmt::format("{} d", *seconds / kDay);
  if (*seconds >= kHour) return fmt::format("{} h", *seconds / kHour);
  if (*seconds >= kMinute) return fmt::format("{} min", *seconds / kMinute);
  return fmt::format("{} s", *seconds);
}

std::string turns_text(const HolderRow& holder) {
  if (!holder.turns) return {};
  const TurnsOfHolder& turns = *holder.turns;
  std::string text =
      fmt::format("time {}, {}", percent_text(turns.part), turns.policy);
  if (turns.priority != 0) text += fmt::format(", priority {}", turns.priority);
  if (!turns.is_counted) return text + "; the agent does not tell what it had";
  text += fmt::format("; used {:.1f} s, waited {:.1f} s, {} turns, {} launches",
                      turns.gpu_seconds, turns.throttled_seconds, turns.turns,
                      turns.launches);
  return turns.is_persistent ? text + "; a kernel does not end" : text;
}

double peak_of_part(const HolderRow& holder) {
  const auto peak = of_life(holder, &TurnsOfHolder::peak);
  return peak ? static_cast<double>(*peak) /
                    static_cast<double>(holder.turns->part)
              : 0;
}

bool takes_turns(const std::vector<const HolderRow*>& holders) {
  return std::any_of(
      holders.begin(), holders.end(),
      [](const HolderRow* holder) { return holder->turns.has_value(); });
}

void drop_turns(std::vector<Column>& columns,
                std::vector<std::vector<std::string>>& rows) {
  for (std::size_t i = columns.size(); i-- > 0;) {
    if (std::find(kTitles.begin(), kTitles.end(), columns[i].title) ==
        kTitles.end()) {
      continue;
    }
    const auto at = static_cast<std::ptrdiff_t>(i);
    columns.erase(columns.begin() + at);
    for (auto& row : rows) row.erase(row.begin() + at);
  }
}

}  // namespace gpunode::top
