#include "base/text/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "base/core/ascii.h"

namespace gpunode::text {
namespace {

using Kind = Node::Kind;

template <std::size_t N>
bool is_one_of(std::string_view word,
               const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, word) != words.end();
}

constexpr std::array<std::string_view, 11> kTrue = {
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
constexpr std::array<std::string_view, 11> kFalse = {
    "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null",
                                                   "NULL"};
constexpr std::array<std::string_view, 3> kNan = {".nan", ".NaN", ".NAN"};
constexpr std::array<std::string_view, 6> kInfinity = {
    ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"};
constexpr std::array<std::string_view, 3> kMinusInfinity = {"-.inf", "-.Inf",
                                                            "-.INF"};

// Strips a base prefix as Go's ParseInt(text, 0, 64) does.
int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  switch (digits[1]) {
    case 'x':
    case 'X':
      digits.remove_prefix(2);
      return 16;
    case 'o':
    case 'O':
      digits.remove_prefix(2);
      return 8;
    case 'b':
    case 'B':
      digits.remove_prefix(2);
      return 2;
    default:
      digits.remove_prefix(1);
      return 8;
  }
}

// An integer of up to 64 bits, as decimal text.
std::optional<std::string> integer_text(std::string_view plain) {
  std::string_view digits = plain;
  bool negative = false;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  const int base = take_base(digits);
  std::uint64_t magnitude = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, magnitude, base);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  if (!negative) return std::to_string(magnitude);
  if (magnitude > std::uint64_t{1} << 63U) return std::nullopt;
  return magnitude == 0 ? "0" : "-" + std::to_string(magnitude);
}

std::size_t take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  text.remove_prefix(count);
  return count;
}

bool take_any(std::string_view& text, std::string_view letters) {
  if (text.empty() || letters.find(text[0]) == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

// [-+]? ( .digits | digits[.digits?] ) ( [eE][-+]?digits )?
bool looks_like_float(std::string_view text) {
  take_any(text, "-+");
  std::size_t digits = take_digits(text);
  if (take_any(text, ".")) digits += take_digits(text);
  if (digits == 0) return false;
  if (take_any(text, "eE")) {
    take_any(text, "-+");
    if (take_digits(text) == 0) return false;
  }
  return text.empty();
}

std::string formatted(double value, std::chars_format format) {
  std::array<char, 64> buffer;  // At most 21 digits before the point, 23 after.
  char* first = buffer.data();
  const auto end = std::to_chars(first, first + buffer.size(), value, format);
  return {first, end.ptr};
}

// A double as Go's encoding/json prints it.
ResolvedScalar from_double(double value) {
  const double size = std::abs(value);
  if (size != 0 && (size < 1e-6 || size >= 1e21)) {
    std::string text = formatted(value, std::chars_format::scientific);
    // Go writes e-9, not e-09.
    const std::size_t e = text.find("e-0");
    if (e != std::string::npos) text.erase(e + 2, 1);
    return {Kind::kFloat, text, false};
  }
  std::string text = formatted(value, std::chars_format::fixed);
  const bool whole = text.find('.') == std::string::npos;
  return {whole ? Kind::kInteger : Kind::kFloat, std::move(text), whole};
}

std::optional<ResolvedScalar> float_value(std::string_view plain) {
  if (!looks_like_float(plain)) return std::nullopt;
  if (plain[0] == '+') plain.remove_prefix(1);
  double value = 0;
  const char* end = plain.data() + plain.size();
  const auto parsed = std::from_chars(plain.data(), end, value);
  // Out of range: Go reports an error and go-yaml keeps the string.
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return from_double(value);
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

// "2024-01-05": four digits and a dash. What of these is not a date is no
// number either, so the string is right for both.
bool starts_like_a_date(std::string_view text) {
  return text.size() > 4 &&
         std::all_of(text.begin(), text.begin() + 4, is_digit) &&
         text[4] == '-';
}

}  // namespace

ResolvedScalar resolve_scalar(std::string_view plain) {
  if (is_one_of(plain, kTrue)) return {Kind::kBool, "true", false};
  if (is_one_of(plain, kFalse)) return {Kind::kBool, "false", false};
  if (is_one_of(plain, kNull)) return {Kind::kNull, {}, false};
  if (is_one_of(plain, kNan)) return {Kind::kFloat, "NaN", false};
  if (is_one_of(plain, kInfinity)) return {Kind::kFloat, "+Inf", false};
  if (is_one_of(plain, kMinusInfinity)) return {Kind::kFloat, "-Inf", false};
  const char first = plain[0];
  const bool numeric =
      is_digit(first) || first == '-' || first == '+' || first == '.';
  if (!numeric || starts_like_a_date(plain)) {
    return {Kind::kString, std::string(plain), false};
  }
  const std::string bare =
      first == '.' ? std::string(plain) : without_underscores(plain);
  if (first != '.') {
    if (auto integer = integer_text(bare)) {
      return {Kind::kInteger, *std::move(integer), false};
    }
  }
  if (auto number = float_value(bare)) return *std::move(number);
  return {Kind::kString, std::string(plain), false};
}

}  // namespace gpunode::text
