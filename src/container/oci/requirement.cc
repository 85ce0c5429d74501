#include "container/oci/requirement.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>

#include <fmt/format.h>

#include "base/text/node.h"

namespace gpunode::oci {
namespace {

enum class Operator { kNotEqual, kAtMost, kAtLeast, kEqual, kBelow, kAbove };

struct Condition {
  std::string_view property;
  Operator relation = Operator::kEqual;
  std::string_view value;
};

using Version = std::vector<unsigned>;

/// "12.4" as numbers, zeros at the end dropped; nothing if it is no version.
std::optional<Version> parse_version(std::string_view text) {
  Version version;
  for (;;) {
    unsigned part = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, part);
    if (error != std::errc()) return std::nullopt;
    version.push_back(part);
    if (rest == end) break;
    if (*rest != '.') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()) + 1);
  }
  while (!version.empty() && version.back() == 0) version.pop_back();
  return version;
}

Error malformed(std::string_view condition, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("invalid requirement {}: {}",
                      text::json_string(condition.substr(0, 200)), why)};
}

Result<Condition> parse_condition(std::string_view text) {
  const std::size_t at = text.find_first_of("!<>=");
  if (at == std::string_view::npos) {
    return malformed(text, "has none of != <= >= = < >");
  }
  if (at == 0) return malformed(text, "has no property before the operator");
  constexpr std::array<std::pair<std::string_view, Operator>, 6> kOperators = {{
      {"!=", Operator::kNotEqual},
      {"<=", Operator::kAtMost},
      {">=", Operator::kAtLeast},
      {"=", Operator::kEqual},
      {"<", Operator::kBelow},
      {">", Operator::kAbove},
  }};
  const std::string_view rest = text.substr(at);
  for (const auto& [sign, relation] : kOperators) {
    if (!rest.starts_with(sign)) continue;
    const std::string_view value = rest.substr(sign.size());
    if (value.empty()) return malformed(text, "has no value");
    return Condition{text.substr(0, at), relation, value};
  }
  return malformed(text, "has none of != <= >= = < >");
}

bool holds(std::strong_ordering order, Operator relation) {
  switch (relation) {
    case Operator::kNotEqual:
      return std::is_neq(order);
    case Operator::kAtMost:
      return std::is_lteq(order);
    case Operator::kAtLeast:
      return std::is_gteq(order);
    case Operator::kEqual:
      return std::is_eq(order);
    case Operator::kBelow:
      return std::is_lt(order);
    case Operator::kAbove:
      return std::is_gt(order);
  }
  return false;
}

Verdict verdict_of(bool holds) {
  return holds ? Verdict::kMet : Verdict::kUnmet;
}

/// `known` is a lower bound of the true version: only what every higher
/// version agrees on is certain.
Verdict judge_lower_bound(const Version& known, Operator relation,
                          const Version& wanted) {
  const std::strong_ordering order = known <=> wanted;
  const bool is_above_for_certain = std::is_gt(order);
  switch (relation) {
    case Operator::kAtLeast:
      return std::is_gteq(order) ? Verdict::kMet : Verdict::kUnknown;
    case Operator::kAbove:
    case Operator::kNotEqual:
      return is_above_for_certain ? Verdict::kMet : Verdict::kUnknown;
    case Operator::kAtMost:
    case Operator::kEqual:
      return is_above_for_certain ? Verdict::kUnmet : Verdict::kUnknown;
    case Operator::kBelow:
      return std::is_gteq(order) ? Verdict::kUnmet : Verdict::kUnknown;
  }
  return Verdict::kUnknown;
}

Result<Verdict> judge_version(const Condition& condition,
                              const std::string& known, bool is_lower_bound) {
  const std::optional<Version> wanted = parse_version(condition.value);
  if (!wanted) {
    return malformed(condition.value, "is not a version such as 12.4");
  }
  const std::optional<Version> here = parse_version(known);
  if (!here) return Verdict::kUnknown;
  if (is_lower_bound) {
    return judge_lower_bound(*here, condition.relation, *wanted);
  }
  return verdict_of(holds(*here <=> *wanted, condition.relation));
}

Result<Verdict> judge_brand(const Condition& condition,
                            const std::vector<std::string>& brands) {
  const bool is_equality = condition.relation == Operator::kEqual ||
                           condition.relation == Operator::kNotEqual;
  if (!is_equality)
    return malformed(condition.value, "brand has only = and !=");
  if (brands.empty()) return Verdict::kUnknown;
  const bool is_possible =
      std::find(brands.begin(), brands.end(), condition.value) != brands.end();
  if (is_possible && brands.size() > 1) return Verdict::kUnknown;
  return verdict_of(is_possible == (condition.relation == Operator::kEqual));
}

Result<Verdict> judge_condition(std::string_view text,
                                const RequirementFacts& facts) {
  TRY(const Condition condition, parse_condition(text));
  if (condition.property == "cuda") {
    return judge_version(condition, facts.cuda_version, facts.is_cuda_at_least);
  }
  if (condition.property == "driver") {
    return judge_version(condition, facts.driver_version, false);
  }
  if (condition.property == "arch") {
    return judge_version(condition, facts.compute_capability, false);
  }
  if (condition.property == "brand") {
    return judge_brand(condition, facts.brands);
  }
  return Verdict::kUnknown;
}

/// Calls `use` with each non-empty part.
template <class Use>
Result<void> for_each_part(std::string_view text, char separator, Use use) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!part.empty()) TRY_VOID(use(part));
  }
  return {};
}

Result<Verdict> judge_all(std::string_view conditions,
                          const RequirementFacts& facts) {
  Verdict all = Verdict::kMet;
  TRY_VOID(for_each_part(
      conditions, ',', [&](std::string_view part) -> Result<void> {
        TRY(const Verdict one, judge_condition(part, facts));
        if (one == Verdict::kUnmet || all == Verdict::kUnmet) {
          all = Verdict::kUnmet;
        } else if (one == Verdict::kUnknown) {
          all = Verdict::kUnknown;
        }
        return {};
      }));
  return all;
}

/// The first driver branch that brings a CUDA version; the source is named at
/// cuda_of_driver. Oldest first.
struct Branch {
  unsigned driver;
  std::string_view cuda;
};
constexpr std::array<Branch, 29> kBranches = {{
    {352, "7.5"},  {367, "8.0"},  {384, "9.0"},  {387, "9.1"},  {396, "9.2"},
    {410, "10.0"}, {418, "10.1"}, {440, "10.2"}, {450, "11.0"}, {455, "11.1"},
    {460, "11.2"}, {465, "11.3"}, {470, "11.4"}, {495, "11.5"}, {510, "11.6"},
    {515, "11.7"}, {520, "11.8"}, {525, "12.0"}, {530, "12.1"}, {535, "12.2"},
    {545, "12.3"}, {550, "12.4"}, {555, "12.5"}, {560, "12.6"}, {565, "12.7"},
    {570, "12.8"}, {575, "12.9"}, {580, "13.0"}, {590, "13.1"},
}};

}  // namespace

Result<Verdict> judge(std::string_view expression,
                      const RequirementFacts& facts) {
  bool has_alternative = false;
  bool is_met = false;
  bool is_unknown = false;
  TRY_VOID(for_each_part(expression, ' ',
                         [&](std::string_view part) -> Result<void> {
                           TRY(const Verdict one, judge_all(part, facts));
                           has_alternative = true;
                           is_met = is_met || one == Verdict::kMet;
                           is_unknown = is_unknown || one == Verdict::kUnknown;
                           return {};
                         }));
  if (is_met || !has_alternative) return Verdict::kMet;
  return is_unknown ? Verdict::kUnknown : Verdict::kUnmet;
}

DriverCuda cuda_of_driver(std::string_view driver_version) {
  const std::optional<Version> version = parse_version(driver_version);
  if (!version || version->empty()) return {};
  const unsigned major = version->front();
  DriverCuda found;
  for (const Branch& branch : kBranches) {
    if (branch.driver <= major) found.version = branch.cuda;
  }
  found.is_at_least = major >= kBranches.back().driver + 1;
  return found;
}

}  // namespace gpunode::oci
