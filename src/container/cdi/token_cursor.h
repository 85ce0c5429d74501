// A place in a list of tokens, and how objects and lists are read from there.
//
// Readers are functions `Result<void> read(TokenCursor&, T&)` that consume one
// value. Faults name the value's path: "devices[0].containerEdits.env[2]".
#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "container/cdi/tokens.h"

namespace gpunode::cdi {

class TokenCursor;

/// One field of an object: its name and what reads its value into a T.
template <class T>
struct Field {
  std::string_view name;
  Result<void> (*read)(TokenCursor&, T&);
};

class TokenCursor {
 public:
  TokenCursor(const Tokens& tokens, std::string_view file_name)
      : tokens_(tokens), file_name_(file_name) {}

  const Token& peek() const { return tokens_.list()[at_]; }
  const Token& take() { return tokens_.list()[at_++]; }

  /// An Error at `token`, with the path of the value being read.
  Error fault(const Token& token, std::string_view what,
              ErrorCode code = ErrorCode::kCorrupt) const;

  /// Passes over one value with all that is in it.
  void skip();

  /// One value of a kind; anything else is a fault ("not a string").
  Result<std::string_view> string();
  Result<std::string_view> number();

  /// A whole number within the bounds of Int.
  template <class Int>
  Result<Int> integer() {
    const Token& token = peek();
    TRY(const std::string_view digits, number());
    Int value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end) {
      return fault(token, out_of_range(digits));
    }
    return value;
  }

  /// Reads an object by its fields. A null counts as a field that is not
  /// there, as in Go. Unknown fields are skipped and the first is kept for
  /// unknown_field(). A field given twice is a fault.
  template <class T>
  Result<void> object(T& target, std::span<const Field<T>> fields) {
    const Token& start = take();
    if (start.kind != Token::Kind::kObject) {
      return fault(start, "not an object");
    }
    std::vector<bool> seen(fields.size());
    while (peek().kind != Token::Kind::kEndObject) {
      const Token& key = take();
      const std::size_t index = index_of(key, fields);
      if (index == fields.size()) {
        keep_unknown(key, names_of(fields));
        skip();
        continue;
      }
      const PathGuard guard(path_, {fields[index].name, 0});
      if (seen[index]) return fault(key, "given twice");
      seen[index] = true;
      if (peek().kind == Token::Kind::kNull) {
        skip();
        continue;
      }
      TRY_VOID(fields[index].read(*this, target));
    }
    take();
    return {};
  }

  /// Reads a list, one new element of `list` a value.
  template <class T, class Read>
  Result<void> list(std::vector<T>& list, Read read) {
    const Token& start = take();
    if (start.kind != Token::Kind::kArray) return fault(start, "not a list");
    while (peek().kind != Token::Kind::kEndArray) {
      const PathGuard guard(path_, {{}, list.size()});
      TRY_VOID(read(*this, list.emplace_back()));
    }
    take();
    return {};
  }

  /// The first field that no table had.
  const std::optional<Error>& unknown_field() const { return unknown_; }

 private:
  struct PathPart {
    std::string_view name;  // Empty: an element of a list.
    std::size_t index = 0;
  };

  class PathGuard {
   public:
    PathGuard(std::vector<PathPart>& path, PathPart part) : path_(path) {
      path_.push_back(part);
    }
    ~PathGuard() { path_.pop_back(); }
    PathGuard(const PathGuard&) = delete;
    PathGuard& operator=(const PathGuard&) = delete;

   private:
    std::vector<PathPart>& path_;
  };

  template <class T>
  static std::size_t index_of(const Token& key,
                              std::span<const Field<T>> fields) {
    std::size_t index = 0;
    while (index < fields.size() && fields[index].name != key.text) ++index;
    return index;
  }

  template <class T>
  static std::vector<std::string_view> names_of(
      std::span<const Field<T>> fields) {
    std::vector<std::string_view> names;
    for (const Field<T>& field : fields) names.push_back(field.name);
    return names;
  }

  static std::string out_of_range(std::string_view digits);
  std::string path() const;
  void keep_unknown(const Token& key, std::span<const std::string_view> known);

  const Tokens& tokens_;
  std::string_view file_name_;
  std::size_t at_ = 0;
  std::vector<PathPart> path_;
  std::optional<Error> unknown_;
};

}  // namespace gpunode::cdi
