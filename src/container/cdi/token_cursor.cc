#include "container/cdi/token_cursor.h"

#include <fmt/format.h>

#include "base/text/nearest.h"
#include "container/cdi/names.h"

namespace gpunode::cdi {

using Kind = Token::Kind;

std::string TokenCursor::path() const {
  std::string text;
  for (const PathPart& part : path_) {
    if (part.name.empty()) {
      text += fmt::format("[{}]", part.index);
    } else {
      if (!text.empty()) text += '.';
      text += part.name;
    }
  }
  return text;
}

Error TokenCursor::fault(const Token& token, std::string_view what,
                         ErrorCode code) const {
  const std::string where = path();
  return {code, fmt::format("{}: {}{}{}",
                            text::at(file_name_, tokens_.mark_of(token)), where,
                            where.empty() ? "" : ": ", what)};
}

void TokenCursor::skip() {
  std::size_t depth = 0;
  do {
    switch (take().kind) {
      case Kind::kObject:
      case Kind::kArray:
        ++depth;
        break;
      case Kind::kEndObject:
      case Kind::kEndArray:
        --depth;
        break;
      default:
        break;
    }
  } while (depth > 0);
}

Result<std::string_view> TokenCursor::string() {
  const Token& token = take();
  if (token.kind != Kind::kString) return fault(token, "not a string");
  if (token.text.find('\0') != std::string_view::npos) {
    return fault(token, "a NUL in a string");
  }
  return token.text;
}

Result<std::string_view> TokenCursor::number() {
  const Token& token = take();
  if (token.kind != Kind::kNumber) return fault(token, "not a number");
  return token.text;
}

std::string TokenCursor::out_of_range(std::string_view digits) {
  return fmt::format("{} is not a whole number in the range of this field",
                     in_quotes(digits));
}

void TokenCursor::keep_unknown(const Token& key,
                               std::span<const std::string_view> known) {
  if (unknown_) return;
  const std::string_view nearest = text::nearest_name(key.text, known);
  unknown_ =
      fault(key, nearest.empty()
                     ? fmt::format("unknown field {}", in_quotes(key.text))
                     : fmt::format("unknown field {}; did you mean {}?",
                                   in_quotes(key.text), nearest));
}

}  // namespace gpunode::cdi
