#include "container/hook/library_name.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/core/ascii.h"

namespace gpunode::hook {
namespace {

bool is_hex_suffix(std::string_view name) {
  // RPM: "libx.so.1;5f3a9c01"
  const std::size_t mark = name.rfind(';');
  if (mark == std::string_view::npos || name.size() - mark != 9) return false;
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(mark) + 1,
                     name.end(), [](char c) {
                       return is_digit(c) || (c >= 'a' && c <= 'f') ||
                              (c >= 'A' && c <= 'F');
                     });
}

/// Takes the digits off the front. Wraps as the loader's int does: what counts
/// is that both sort alike.
std::int32_t take_number(std::string_view& text) {
  std::uint32_t value = 0;
  while (!text.empty() && is_digit(text.front())) {
    value = value * 10 + static_cast<std::uint32_t>(text.front() - '0');
    text.remove_prefix(1);
  }
  return static_cast<std::int32_t>(value);
}

char front_or_nul(std::string_view text) {
  return text.empty() ? '\0' : text.front();
}

/// The length of the bracket expression at the start of `pattern`, 0 if it is
/// not closed, and whether it holds `c`.
struct Bracket {
  std::size_t length = 0;
  bool holds = false;
};
Bracket read_bracket(std::string_view pattern, char c) {
  std::size_t at = 1;
  bool negated = false;
  if (at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^')) {
    negated = true;
    ++at;
  }
  bool found = false;
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return {at + 1, found != negated};
    const char low = pattern[at];
    char high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' &&
        pattern[at + 2] != ']') {
      high = pattern[at + 2];
      at += 2;
    }
    found = found || (low <= c && c <= high);
    ++at;
  }
  return {};
}

/// What the first element of `pattern` takes, if it takes `c`: its length, or
/// 0 if it does not.
std::size_t match_one(std::string_view pattern, char c) {
  if (pattern.empty()) return 0;
  if (pattern.front() == '?') return 1;
  if (pattern.front() == '[') {
    const Bracket bracket = read_bracket(pattern, c);
    if (bracket.length != 0) return bracket.holds ? bracket.length : 0;
  }
  if (pattern.front() == '\\' && pattern.size() > 1) {
    return pattern[1] == c ? 2 : 0;
  }
  return pattern.front() == c ? 1 : 0;
}

}  // namespace

bool is_library_name(std::string_view name) {
  if (!name.starts_with("lib") && !name.starts_with("ld-") &&
      !name.starts_with("ld.so.") && !name.starts_with("ld64.so.")) {
    return false;
  }
  if (name.find(".so") == std::string_view::npos) return false;
  return !name.ends_with(".#prelink#") &&
         name.find(".#prelink#.") == std::string_view::npos &&
         !name.ends_with(".dpkg-new") && !name.ends_with(".dpkg-tmp") &&
         !is_hex_suffix(name);
}

int compare_library_names(std::string_view left, std::string_view right) {
  // To the loader a NUL ends a name.
  left = left.substr(0, left.find('\0'));
  right = right.substr(0, right.find('\0'));
  while (!left.empty()) {
    const bool left_digit = is_digit(left.front());
    const bool right_digit = is_digit(front_or_nul(right));
    if (left_digit && right_digit) {
      const std::int32_t left_value = take_number(left);
      const std::int32_t right_value = take_number(right);
      if (left_value != right_value) {
        // The loader subtracts in an int, and wraps.
        return static_cast<std::int32_t>(
            static_cast<std::uint32_t>(left_value) -
            static_cast<std::uint32_t>(right_value));
      }
      continue;
    }
    if (left_digit) return 1;
    if (right_digit) return -1;
    if (left.front() != front_or_nul(right)) {
      return left.front() - front_or_nul(right);
    }
    left.remove_prefix(1);
    right.remove_prefix(1);
  }
  return -front_or_nul(right);
}

bool matches_pattern(std::string_view name, std::string_view pattern) {
  if (name.starts_with('.') && !pattern.starts_with('.')) return false;
  // On a mismatch only the last star may take more: what earlier stars took
  // cannot help.
  bool has_star = false;
  std::string_view name_at_star;
  std::string_view after_star;
  while (!name.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      has_star = true;
      name_at_star = name;
      after_star = pattern;
    } else if (const std::size_t taken = match_one(pattern, name.front());
               taken != 0) {
      name.remove_prefix(1);
      pattern.remove_prefix(taken);
    } else if (has_star) {
      name_at_star.remove_prefix(1);
      name = name_at_star;
      pattern = after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*') == std::string_view::npos;
}

}  // namespace gpunode::hook
