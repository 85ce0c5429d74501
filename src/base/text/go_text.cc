#include "base/text/go_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <iterator>
#include <limits>
#include <system_error>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::text {
namespace {

// Not the middle of a UTF-8 sequence.
bool is_first_byte(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

void append_printable(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\t') {
    out += "\\t";
  } else if (c == '\r') {
    out += "\\r";
  } else if (byte < 0x20 || byte == 0x7f) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
  } else {
    out += c;
  }
}

Error syntax(std::string_view function, std::string_view text,
             std::string_view problem) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("strconv.{}: parsing {}: {}", function, go_quote(text),
                      problem)};
}

int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  static constexpr std::array<std::pair<char, int>, 3> kBases = {
      {{'x', 16}, {'o', 8}, {'b', 2}}};
  for (const auto& [letter, base] : kBases) {
    if (digits[1] == letter || digits[1] == letter - 'a' + 'A') {
      digits.remove_prefix(2);
      return base;
    }
  }
  digits.remove_prefix(1);
  return 8;
}

// Digits with at most one dot between or beside them; their length.
std::size_t number_length(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && is_digit(text[i])) ++i;
  const bool before = i > 0;
  if (i == text.size() || text[i] != '.') return i;
  const std::size_t dot = i++;
  while (i < text.size() && is_digit(text[i])) ++i;
  return before || i > dot + 1 ? i : 0;
}

}  // namespace

std::string go_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      append_printable(out, c);
    }
  }
  out += '"';
  return out;
}

std::string one_line(std::string_view text) {
  constexpr std::size_t kLongest = 2000;
  std::string out;
  for (const char c : text) {
    if (out.size() >= kLongest && is_first_byte(c)) return out + "...";
    append_printable(out, c);
  }
  return out;
}

Result<bool> parse_go_bool(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kTrue = {
      "1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::array<std::string_view, 6> kFalse = {
      "0", "f", "F", "FALSE", "false", "False"};
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return syntax("ParseBool", text, "invalid syntax");
}

Result<std::int64_t> parse_go_int(std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const int base = take_base(digits);
  std::uint64_t magnitude = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, magnitude, base);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) {
    return syntax("ParseInt", text, "invalid syntax");
  }
  constexpr auto kMax =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (parsed.ec != std::errc{} || magnitude > kMax + (negative ? 1 : 0)) {
    return syntax("ParseInt", text, "value out of range");
  }
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

namespace {

struct GoUnit {
  std::string_view name;
  double nanoseconds;
};
constexpr std::array<GoUnit, 8> kGoUnits = {{{"ns", 1},
                                             {"us", 1e3},
                                             {"\u00b5s", 1e3},
                                             {"\u03bcs", 1e3},
                                             {"ms", 1e6},
                                             {"s", 1e9},
                                             {"m", 60e9},
                                             {"h", 3600e9}}};

}  // namespace

Result<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  const auto invalid = [text](std::string_view problem) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("time: {} {}", problem, go_quote(text))};
  };
  std::string_view rest = text;
  const double sign = rest.starts_with('-') ? -1 : 1;
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return std::chrono::nanoseconds(0);
  double total = 0;
  if (rest.empty()) return invalid("invalid duration");
  while (!rest.empty()) {
    const std::size_t digits = number_length(rest);
    if (digits == 0) return invalid("invalid duration");
    double number = 0;
    std::from_chars(rest.data(), rest.data() + digits, number);
    rest.remove_prefix(digits);
    const std::size_t unit_length =
        std::min(rest.size(), rest.find_first_of(".0123456789"));
    const std::string_view unit = rest.substr(0, unit_length);
    if (unit.empty()) return invalid("missing unit in duration");
    const auto known = std::ranges::find(kGoUnits, unit, &GoUnit::name);
    if (known == kGoUnits.end()) {
      return invalid(
          fmt::format("unknown unit {} in duration", go_quote(unit)));
    }
    rest.remove_prefix(unit_length);
    total += number * known->nanoseconds;
  }
  // What an int64 holds, 292 years.
  constexpr double kMost = 9.2e18;
  if (total > kMost) return invalid("invalid duration");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(sign * total));
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> items;
  while (true) {
    const std::size_t comma = text.find(',');
    items.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace gpunode::text
