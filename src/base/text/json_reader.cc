#include "base/text/json_reader.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::text {
namespace {

constexpr std::string_view kBeginningOfValue = "looking for beginning of value";

std::string quoted(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (c == '\'') return R"('\'')";
  if (byte < 0x20 || byte >= 0x7f) return fmt::format("'\\x{:02x}'", byte);
  return fmt::format("'{}'", c);
}

void append_utf8(std::string& out, unsigned code) {
  const auto add = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (code < 0x80U) {
    add(code);
  } else if (code < 0x800U) {
    add(0xc0U | (code >> 6U));
    add(0x80U | (code & 0x3fU));
  } else if (code < 0x10000U) {
    add(0xe0U | (code >> 12U));
    add(0x80U | ((code >> 6U) & 0x3fU));
    add(0x80U | (code & 0x3fU));
  } else {
    add(0xf0U | (code >> 18U));
    add(0x80U | ((code >> 12U) & 0x3fU));
    add(0x80U | ((code >> 6U) & 0x3fU));
    add(0x80U | (code & 0x3fU));
  }
}

/// The four digits after "\u" at `at`, which were checked.
unsigned code_unit(std::string_view text, std::size_t at) {
  unsigned value = 0;
  std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return value;
}

/// Appends the escape at `at` (a backslash); returns what follows it.
std::size_t append_escape(std::string& out, std::string_view text,
                          std::size_t at) {
  const char kind = text[at + 1];
  if (kind != 'u') {
    constexpr std::string_view kNames = "bfnrt";
    constexpr std::string_view kValues = "\b\f\n\r\t";
    const std::size_t known = kNames.find(kind);
    out += known == std::string_view::npos ? kind : kValues[known];
    return at + 2;
  }
  unsigned code = code_unit(text, at + 2);
  at += 6;
  const bool is_high = code >= 0xd800U && code < 0xdc00U;
  const bool is_low = code >= 0xdc00U && code < 0xe000U;
  if (is_high && text.substr(at).starts_with("\\u")) {
    const unsigned low = code_unit(text, at + 2);
    if (low >= 0xdc00U && low < 0xe000U) {
      append_utf8(out, 0x10000U + ((code - 0xd800U) << 10U) + (low - 0xdc00U));
      return at + 6;
    }
  }
  if (is_high || is_low) code = 0xfffdU;
  append_utf8(out, code);
  return at;
}

/// The text between two quotes, which was checked.
std::string decoded(std::string_view body) {
  std::string out;
  out.reserve(body.size());
  for (std::size_t i = 0; i < body.size();) {
    const std::size_t escape = std::min(body.find('\\', i), body.size());
    out += body.substr(i, escape - i);
    i = escape == body.size() ? escape : append_escape(out, body, escape);
  }
  return out;
}

}  // namespace

Mark mark_of(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, position);
  const std::size_t newline = before.rfind('\n');
  const std::string_view line =
      newline == std::string_view::npos ? before : before.substr(newline + 1);
  Mark mark;
  mark.line = 1 + static_cast<std::size_t>(
                      std::count(before.begin(), before.end(), '\n'));
  // Bytes that continue a UTF-8 character are no columns of their own.
  mark.column =
      1 + static_cast<std::size_t>(
              std::count_if(line.begin(), line.end(), [](char c) {
                return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
              }));
  return mark;
}

Error JsonReader::fault(std::size_t position, std::string_view words) const {
  return {
      ErrorCode::kCorrupt,
      fmt::format("{}: {}", at(file_name_, mark_of(text_, position)), words)};
}

Error JsonReader::unexpected(std::string_view context) const {
  if (at_end()) return fault(text_.size(), "unexpected end of JSON input");
  return fault(position_, fmt::format("invalid character {} {}",
                                      quoted(text_[position_]), context));
}

void JsonReader::pass_space() {
  while (!at_end()) {
    const char c = text_[position_];
    if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
    ++position_;
  }
}

Result<void> JsonReader::expect(char wanted, std::string_view context) {
  pass_space();
  if (at_end() || text_[position_] != wanted) return unexpected(context);
  ++position_;
  return {};
}

Result<JsonKind> JsonReader::kind() {
  pass_space();
  if (at_end()) return unexpected(kBeginningOfValue);
  switch (text_[position_]) {
    case '{':
      return JsonKind::kObject;
    case '[':
      return JsonKind::kArray;
    case '"':
      return JsonKind::kString;
    case 't':
    case 'f':
      return JsonKind::kBool;
    case 'n':
      return JsonKind::kNull;
    default:
      break;
  }
  if (text_[position_] == '-' || is_digit(text_[position_])) {
    return JsonKind::kNumber;
  }
  return unexpected(kBeginningOfValue);
}

Result<void> JsonReader::pass_escape() {
  ++position_;
  if (at_end()) return unexpected({});
  const char kind = text_[position_++];
  if (kind == 'u') {
    for (int i = 0; i < 4; ++i, ++position_) {
      if (at_end() || !is_hex_digit(text_[position_])) {
        return unexpected("in \\u hexadecimal character escape");
      }
    }
    return {};
  }
  if (std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos) {
    return {};
  }
  --position_;
  return unexpected("in string escape code");
}

Result<JsonSpan> JsonReader::pass_string() {
  const std::size_t begin = position_++;
  while (!at_end()) {
    const char c = text_[position_];
    if (c == '"') return JsonSpan{begin, ++position_};
    if (c == '\\') {
      TRY_VOID(pass_escape());
    } else if (static_cast<unsigned char>(c) < 0x20) {
      return unexpected("in string literal");
    } else {
      ++position_;
    }
  }
  return unexpected({});
}

Result<void> JsonReader::pass_digits() {
  if (at_end() || !is_digit(text_[position_])) {
    return unexpected("in numeric literal");
  }
  while (!at_end() && is_digit(text_[position_])) ++position_;
  return {};
}

Result<JsonSpan> JsonReader::pass_number() {
  const std::size_t begin = position_;
  if (text_[position_] == '-') ++position_;
  if (!at_end() && text_[position_] == '0') {
    ++position_;
  } else {
    TRY_VOID(pass_digits());
  }
  if (!at_end() && text_[position_] == '.') {
    ++position_;
    TRY_VOID(pass_digits());
  }
  if (!at_end() && (text_[position_] == 'e' || text_[position_] == 'E')) {
    ++position_;
    if (!at_end() && (text_[position_] == '+' || text_[position_] == '-')) {
      ++position_;
    }
    TRY_VOID(pass_digits());
  }
  return JsonSpan{begin, position_};
}

Result<JsonSpan> JsonReader::pass_word(std::string_view word) {
  const std::size_t begin = position_;
  for (const char wanted : word) {
    if (at_end() || text_[position_] != wanted) {
      return unexpected(fmt::format("in literal {}", word));
    }
    ++position_;
  }
  return JsonSpan{begin, position_};
}

Result<JsonSpan> JsonReader::pass_scalar() {
  switch (text_[position_]) {
    case '"':
      return pass_string();
    case 't':
      return pass_word("true");
    case 'f':
      return pass_word("false");
    case 'n':
      return pass_word("null");
    default:
      return pass_number();
  }
}

Result<bool> JsonReader::pass_separator(std::string& open) {
  pass_space();
  const bool is_object = open.back() == '{';
  if (at_end()) return unexpected({});
  if (text_[position_] == (is_object ? '}' : ']')) {
    ++position_;
    open.pop_back();
    return false;
  }
  if (text_[position_] != ',') {
    return unexpected(is_object ? "after object key:value pair"
                                : "after array element");
  }
  ++position_;
  return true;
}

Result<bool> JsonReader::pass_or_open(JsonKind kind, std::string& open) {
  if (kind != JsonKind::kObject && kind != JsonKind::kArray) {
    TRY_VOID(pass_scalar());
    return false;
  }
  if (depth_ + open.size() >= kMaxDepth) {
    return fault(position_, "exceeded max depth");
  }
  open += text_[position_++];
  pass_space();
  const char closing = kind == JsonKind::kObject ? '}' : ']';
  return at_end() || text_[position_] != closing;
}

Result<void> JsonReader::pass_key() {
  pass_space();
  if (at_end() || text_[position_] != '"') {
    return unexpected("looking for beginning of object key string");
  }
  TRY_VOID(pass_string());
  return expect(':', "after object key");
}

// Without recursion: what is skipped is what an engine, or whoever wrote the
// image, chose to nest.
Result<JsonSpan> JsonReader::skip() {
  std::string open;  // The braces and brackets we are inside of.
  TRY(JsonKind next, kind());
  const std::size_t begin = position_;
  for (;;) {
    TRY(bool has_more, pass_or_open(next, open));
    while (!has_more && !open.empty()) {
      TRY(has_more, pass_separator(open));
    }
    if (open.empty()) return JsonSpan{begin, position_};
    if (open.back() == '{') TRY_VOID(pass_key());
    TRY(next, kind());
  }
}

Result<std::string> JsonReader::string() {
  TRY(const JsonKind found, kind());
  if (found != JsonKind::kString) return fault(position_, "not a string");
  TRY(const JsonSpan span, pass_string());
  return decoded(JsonSpan{span.begin + 1, span.end - 1}.of(text_));
}

Result<std::size_t> JsonReader::whole_number() {
  TRY(const JsonKind found, kind());
  if (found != JsonKind::kNumber) return fault(position_, "not a number");
  TRY(const JsonSpan span, pass_number());
  const std::string_view digits = span.of(text_);
  std::size_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return fault(span.begin, fmt::format("not a whole number: {:.40}", digits));
  }
  return value;
}

Result<void> JsonReader::descend() {
  if (depth_ >= kMaxDepth) return fault(position_, "exceeded max depth");
  ++depth_;
  is_first_ = true;
  return {};
}

Result<void> JsonReader::enter_object() {
  TRY(const JsonKind found, kind());
  if (found != JsonKind::kObject) return fault(position_, "not an object");
  TRY_VOID(descend());
  ++position_;
  return {};
}

Result<void> JsonReader::enter_array() {
  TRY(const JsonKind found, kind());
  if (found != JsonKind::kArray) return fault(position_, "not an array");
  TRY_VOID(descend());
  ++position_;
  return {};
}

Result<std::optional<std::string>> JsonReader::next_key() {
  using Key = std::optional<std::string>;
  pass_space();
  const bool is_first = std::exchange(is_first_, false);
  if (!at_end() && text_[position_] == '}') {
    ++position_;
    --depth_;
    return Key();
  }
  if (!is_first) TRY_VOID(expect(',', "after object key:value pair"));
  pass_space();
  if (at_end() || text_[position_] != '"') {
    return unexpected("looking for beginning of object key string");
  }
  TRY(std::string key, string());
  TRY_VOID(expect(':', "after object key"));
  return Key(std::move(key));
}

Result<bool> JsonReader::next_item() {
  pass_space();
  const bool is_first = std::exchange(is_first_, false);
  if (!at_end() && text_[position_] == ']') {
    ++position_;
    --depth_;
    return false;
  }
  if (!is_first) TRY_VOID(expect(',', "after array element"));
  pass_space();
  if (at_end()) return unexpected({});
  return true;
}

Result<void> JsonReader::finish() {
  pass_space();
  if (!at_end()) return unexpected("after top-level value");
  return {};
}

}  // namespace gpunode::text
