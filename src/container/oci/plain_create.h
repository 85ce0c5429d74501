// `create` calls that ask for no GPU, told from their bytes alone: like the
// calls of passed_call.h they are handed on before libc has started.
//
// Most containers of a GPU node ask for nothing (every Pod's pause container,
// every sidecar), and where this program is the default runtime all of them
// come by. Freestanding as passed_call.h. It errs on one side only: what it
// takes for a request is looked at by the ordinary start.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/core/ascii.h"
#include "container/oci/passed_call.h"

namespace gpunode::oci {

#ifdef GPUNODE_BEFORE_LIBC
inline namespace before_libc {
#else
inline namespace after_libc {
#endif

/// Reads a config.json piece by piece. Without a request are texts that
///  - have none of the words without which there is none (NVIDIA_* variables,
///    their mounts, hooks to be removed; CDI annotations; the CUDA_VERSION of
///    images that are older than NVIDIA_VISIBLE_DEVICES), in whatever case,
///  - could not hide one behind an escape, and
///  - have the outline of one JSON object: so that a truncated file is refused
///    here, with its place, and not by the low-level runtime.
class RequestScan {
 public:
  constexpr void take(Chars piece) {
    for (std::size_t i = 0; i < piece.size && is_plain_; ++i) {
      is_plain_ = take(piece[i]);
    }
  }

  /// False if nothing that follows can make it so.
  constexpr bool may_be_without_request() const { return is_plain_; }

  /// Of all that was taken.
  constexpr bool is_without_request() const {
    return is_plain_ && has_ended_ && depth_ == 0;
  }

 private:
  // NOLINTBEGIN(modernize-avoid-c-arrays): literals, without a library.
  /// How far into `word` the bytes before this one and this one are. Right for
  /// words whose first letter does not come again in them.
  template <std::size_t N>
  static constexpr bool is_found(std::size_t& matched, char c,
                                 const char (&word)[N]) {
    if (c == word[matched]) {
      ++matched;
    } else {
      matched = c == word[0] ? 1 : 0;
    }
    if (matched < N - 1) return false;
    matched = 0;
    return true;
  }
  // NOLINTEND(modernize-avoid-c-arrays)

  constexpr bool is_asking(char c) {
    const char low = to_lower(c);
    const bool is_nvidia = is_found(nvidia_, low, "nvidia");
    const bool is_cdi = is_found(cdi_, low, "cdi.k8s.io");
    const bool is_old = is_found(old_image_, low, "cuda_version");
    return is_nvidia || is_cdi || is_old;
  }

  constexpr bool take(char c) {
    if (is_asking(c)) return false;
    return is_in_string_ ? take_in_string(c) : take_outside(c);
  }

  constexpr bool take_in_string(char c) {
    if (escape_ > 0) return take_escape(c);
    if (c == '\\') {
      escape_ = 1;
    } else if (c == '"') {
      is_in_string_ = false;
    }
    return c >= ' ' && c <= '~';
  }

  /// After a backslash: one letter, or u and four digits of which the first two
  /// and the value tell what Go's encoder writes so (< > & and what is not
  /// text) from what could be a letter of a word.
  constexpr bool take_escape(char c) {
    if (escape_ == 1) {
      escape_ = c == 'u' ? 2 : 0;
      code_ = 0;
      return c == 'u' || c == '"' || c == '\\' || c == '/' || c == 'b' ||
             c == 'f' || c == 'n' || c == 'r' || c == 't';
    }
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    code_ = code_ * 16 + static_cast<unsigned>(digit);
    if (++escape_ < 6) return true;
    escape_ = 0;
    const bool is_control = code_ < 0x20;
    const bool is_markup = code_ == '<' || code_ == '>' || code_ == '&';
    const bool is_separator = code_ == 0x2028 || code_ == 0x2029;
    return is_control || is_markup || is_separator;
  }

  constexpr bool take_outside(char c) {
    const bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (is_blank) return true;
    if (has_ended_) return false;
    switch (c) {
      case '{':
      case '[':
        return open(c == '{');
      case '}':
      case ']':
        return close(c == '}');
      case '"':
        is_in_string_ = true;
        break;
      default:
        break;
    }
    return depth_ > 0;
  }

  constexpr bool open(bool is_object) {
    if (depth_ == kDeepest || (depth_ == 0 && !is_object)) return false;
    kinds_ = kinds_ << 1U | (is_object ? 1U : 0U);
    ++depth_;
    return true;
  }

  constexpr bool close(bool is_object) {
    if (depth_ == 0 || (kinds_ & 1U) != (is_object ? 1U : 0U)) return false;
    kinds_ >>= 1U;
    has_ended_ = --depth_ == 0;
    return true;
  }

  static constexpr unsigned kDeepest = 64;

  bool is_plain_ = true;
  bool is_in_string_ = false;
  bool has_ended_ = false;
  unsigned escape_ = 0;  ///< Characters of an escape so far, the one to come
                         ///< included; 0 is outside of one.
  unsigned code_ = 0;
  unsigned depth_ = 0;
  std::uint64_t kinds_ = 0;  ///< One bit for each open bracket: an object.
  std::size_t nvidia_ = 0;
  std::size_t cdi_ = 0;
  std::size_t old_image_ = 0;
};

/// The bundle that a `create` names, as NVIDIA's runtime reads it: the last
/// flag counts, in whatever place. An empty one is the working directory.
constexpr Chars bundle_of(std::size_t count, const char* const* arguments) {
  Chars bundle;
  for (std::size_t i = 1; i < count; ++i) {
    const Chars argument = chars_of(arguments[i]);
    std::size_t begin = 0;
    while (begin < argument.size && begin < 2 && argument[begin] == '-') {
      ++begin;
    }
    std::size_t end = begin;
    while (end < argument.size && argument[end] != '=') ++end;
    const Chars name{argument.data + begin, end - begin};
    if (begin == 0 || !(equals(name, "b") || equals(name, "bundle"))) continue;
    if (end < argument.size) {
      bundle = {argument.data + end + 1, argument.size - end - 1};
    } else {
      bundle = i + 1 < count ? chars_of(arguments[i + 1]) : Chars{};
    }
  }
  return bundle.size == 0 ? Chars{".", 1} : bundle;
}

}  // namespace before_libc or after_libc
}  // namespace gpunode::oci
