// The tokens of a PTX text, taken one after another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "tests/doubles/cuda/ptx_lexer.h"
#include "tests/doubles/cuda/ptx_module.h"

namespace gpunode::fake_cuda::ptx {

/// take_x() moves on only if x is next; expect_x() fails with unexpected() if
/// it is not. At the end every peek() gives the kEnd token.
class TokenStream {
 public:
  /// `tokens` ends with kEnd, as split() has it.
  explicit TokenStream(std::vector<Token> tokens)
      : tokens_(std::move(tokens)) {}

  bool is_at_end() const { return peek().kind == Token::Kind::kEnd; }
  const Token& peek() const { return tokens_[at_]; }
  std::uint32_t line() const { return peek().line; }

  bool is_word(std::string_view word) const;
  /// Whether a word and a colon come.
  bool is_label() const;

  Token take();
  bool take_word(std::string_view word);
  bool take_mark(char mark);

  /// Leaves everything up to the end of the line, or past the next semicolon.
  void skip_line();
  void skip_statement();

  Result<void> expect_mark(char mark);
  Result<Token> expect_word();
  Result<std::uint64_t> expect_integer(std::uint64_t most);
  /// `.u32` and kin.
  Result<Type> expect_type();

  /// "syntax error" at the next token.
  Error unexpected() const;

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace gpunode::fake_cuda::ptx
