#include "tests/doubles/cuda/ptx_token_stream.h"

#include "tests/doubles/cuda/ptx_decoder.h"

namespace gpunode::fake_cuda::ptx {

bool TokenStream::is_word(std::string_view word) const {
  return peek().kind == Token::Kind::kWord && peek().text == word;
}

bool TokenStream::is_label() const {
  if (peek().kind != Token::Kind::kWord) return false;
  const Token& next = tokens_[at_ + 1];  // The end token is no word.
  return next.kind == Token::Kind::kPunctuation && next.text == ":";
}

Token TokenStream::take() {
  Token token = tokens_[at_];
  if (token.kind != Token::Kind::kEnd) ++at_;
  return token;
}

bool TokenStream::take_word(std::string_view word) {
  if (!is_word(word)) return false;
  ++at_;
  return true;
}

bool TokenStream::take_mark(char mark) {
  if (peek().kind != Token::Kind::kPunctuation || peek().text[0] != mark) {
    return false;
  }
  ++at_;
  return true;
}

void TokenStream::skip_line() {
  const std::uint32_t line = peek().line;
  while (!is_at_end() && peek().line == line) ++at_;
}

void TokenStream::skip_statement() {
  while (!is_at_end() && !take_mark(';')) ++at_;
}

Result<void> TokenStream::expect_mark(char mark) {
  if (!take_mark(mark)) return unexpected();
  return {};
}

Result<Token> TokenStream::expect_word() {
  if (peek().kind != Token::Kind::kWord) return unexpected();
  return take();
}

Result<std::uint64_t> TokenStream::expect_integer(std::uint64_t most) {
  if (peek().kind != Token::Kind::kInteger) return unexpected();
  if (peek().bits > most) return error_at(line(), "Value out of range");
  return take().bits;
}

Result<Type> TokenStream::expect_type() {
  if (peek().kind != Token::Kind::kWord) return unexpected();
  const std::string_view word = peek().text;
  const Type type = word[0] == '.' ? type_named(word.substr(1)) : Type{};
  if (type.kind == Type::Kind::kNone) {
    return error_at(line(), "Unknown type '" + peek().text + "'");
  }
  ++at_;
  return type;
}

Error TokenStream::unexpected() const {
  const std::string text = is_at_end() ? "end of file" : peek().text;
  return error_at(line(), "Parsing error near '" + text + "': syntax error");
}

}  // namespace gpunode::fake_cuda::ptx
