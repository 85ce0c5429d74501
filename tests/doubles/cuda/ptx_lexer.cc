#include "tests/doubles/cuda/ptx_lexer.h"

#include <algorithm>
#include <bit>
#include <charconv>

namespace gpunode::fake_cuda::ptx {

Error error_at(std::uint32_t line, std::string_view message) {
  return {ErrorCode::kCorrupt, "ptxas application ptx input, line " +
                                   std::to_string(line) +
                                   "; error   : " + std::string(message)};
}

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '$' || c == '%' || c == '.';
}

bool is_word(char c) {
  return is_word_start(c) || is_digit(c);
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    std::vector<Token> tokens;
    while (true) {
      TRY_VOID(skip_blanks());
      if (at_ == text_.size()) break;
      TRY(Token token, next());
      tokens.push_back(std::move(token));
    }
    Token end;
    end.line = line_;
    tokens.push_back(end);
    return tokens;
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Token make(Token::Kind kind, std::size_t length) {
    Token token;
    token.kind = kind;
    token.text = std::string(text_.substr(at_, length));
    token.line = line_;
    at_ += length;
    return token;
  }

  Result<void> skip_blanks() {
    while (at_ < text_.size()) {
      if (peek() == '\n') {
        ++line_;
        ++at_;
      } else if (is_blank(peek())) {
        ++at_;
      } else if (peek() == '/' && peek(1) == '/') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (peek() == '/' && peek(1) == '*') {
        TRY_VOID(skip_comment());
      } else {
        break;
      }
    }
    return {};
  }

  Result<void> skip_comment() {
    const std::uint32_t opened = line_;
    const std::size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) {
      return error_at(opened, "Unterminated comment");
    }
    for (; at_ < end + 2; ++at_) {
      if (peek() == '\n') ++line_;
    }
    return {};
  }

  Result<Token> next() {
    if (is_digit(peek())) return number();
    if (is_word_start(peek())) {
      std::size_t length = 1;
      while (is_word(peek(length))) ++length;
      return make(Token::Kind::kWord, length);
    }
    if (peek() == '"') {
      const std::size_t end = text_.find_first_of("\"\n", at_ + 1);
      if (end == std::string_view::npos || text_[end] != '"') {
        return error_at(line_, "Unterminated string");
      }
      return make(Token::Kind::kString, end + 1 - at_);
    }
    constexpr std::string_view kPunctuation = "{}()[]<>,;:@!+-=|";
    if (kPunctuation.find(peek()) == std::string_view::npos) {
      return error_at(line_, "Unexpected character");
    }
    return make(Token::Kind::kPunctuation, 1);
  }

  Result<Token> number() {
    if (peek() == '0') {
      switch (peek(1)) {
        case 'x':
        case 'X':
          return digits(16, 2, Token::Kind::kInteger);
        case 'b':
        case 'B':
          return digits(2, 2, Token::Kind::kInteger);
        case 'f':
        case 'F':
          return digits(16, 2, Token::Kind::kFloatBits32);
        case 'd':
        case 'D':
          return digits(16, 2, Token::Kind::kFloatBits64);
        default:
          break;
      }
    }
    std::size_t length = 1;
    while (is_digit(peek(length))) ++length;
    if (peek(length) == '.' || peek(length) == 'e' || peek(length) == 'E') {
      return decimal_float();
    }
    const bool is_octal = peek() == '0' && length > 1;
    return digits(is_octal ? 8 : 10, 0, Token::Kind::kInteger);
  }

  Result<Token> digits(int base, std::size_t prefix, Token::Kind kind) {
    const char* first = text_.data() + at_ + prefix;
    const char* last = text_.data() + text_.size();
    std::uint64_t value = 0;
    const auto read = std::from_chars(first, last, value, base);
    if (read.ec != std::errc()) return error_at(line_, "Malformed number");
    const auto length = static_cast<std::size_t>(read.ptr - first);
    if ((kind == Token::Kind::kFloatBits32 && length != 8) ||
        (kind == Token::Kind::kFloatBits64 && length != 16)) {
      return error_at(line_, "Malformed floating point constant");
    }
    Token token = make(kind, prefix + length);
    token.bits = value;
    if (kind == Token::Kind::kInteger && peek() == 'U') ++at_;
    return token;
  }

  Result<Token> decimal_float() {
    const char* first = text_.data() + at_;
    double value = 0;
    const auto read =
        std::from_chars(first, text_.data() + text_.size(), value);
    if (read.ec != std::errc()) return error_at(line_, "Malformed number");
    Token token =
        make(Token::Kind::kFloat, static_cast<std::size_t>(read.ptr - first));
    token.bits = std::bit_cast<std::uint64_t>(value);
    return token;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
};

}  // namespace

Result<std::vector<Token>> split(std::string_view text) {
  return Lexer(text).run();
}

}  // namespace gpunode::fake_cuda::ptx
