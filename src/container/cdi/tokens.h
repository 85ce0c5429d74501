// The text of a CDI spec as a flat list of tokens, JSON or YAML.
//
// Two readers, one decoder: what a spec means (spec_decoder.h) does not depend
// on how it was written. JSON goes to tokens straight from rapidjson, in place
// and without a tree, because a container's start waits for it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/node.h"

namespace gpunode::cdi {

struct Token {
  enum class Kind {
    kObject,
    kEndObject,
    kArray,
    kEndArray,
    kKey,
    kString,
    kNumber,  ///< `text` is as written in JSON, decimal in YAML.
    kBool,
    kNull,
  };

  Kind kind = Kind::kNull;
  std::string_view text;
  std::size_t offset = 0;  ///< In the text, in bytes; used when `mark` is none.
  text::Mark mark;
};

/// Bounds on one spec: a node with 16 GPUs and every name of theirs needs 200
/// KB and 20,000 tokens.
inline constexpr std::size_t kSpecBytes = std::size_t{4} << 20U;
inline constexpr std::size_t kSpecTokens = 400'000;
inline constexpr std::size_t kSpecDepth = 32;

/// Tokens and the memory that they point into. Brackets are balanced and a key
/// precedes each value of an object.
class Tokens {
 public:
  /// Reads `text` as JSON if it starts with a brace, as YAML if it does not or
  /// is no JSON. Fails with kCorrupt and one line,
  /// "/etc/cdi/a.json:3:5: …". `text` must outlive the value.
  static Result<Tokens> parse(std::string_view text,
                              std::string_view file_name);

  const std::vector<Token>& list() const { return list_; }
  /// Where `token` is in the text.
  text::Mark mark_of(const Token& token) const;

 private:
  static Result<Tokens> parse_json(std::string_view text,
                                   std::string_view file_name,
                                   bool& is_over_limit);
  static Result<Tokens> parse_yaml(std::string_view text,
                                   std::string_view file_name);

  std::string_view text_;
  std::vector<Token> list_;
  std::vector<char> buffer_;          // Of JSON, unescaped in place.
  std::unique_ptr<text::Node> root_;  // Of YAML.
};

}  // namespace gpunode::cdi
