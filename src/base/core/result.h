// Result<T>: a value, or the Error that kept us from having one.
//
// A strict subset of std::expected<T, Error>, which clang 14 does not have;
// it becomes an alias the day both compilers do (docs/adr/0002).
#pragma once

#include <cstdlib>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/core/error.h"

namespace gpunode {

/// Either a T or an Error. Reading the side that is not there aborts.
template <class T>
class [[nodiscard]] Result {
  static_assert(!std::is_reference_v<T> && !std::is_same_v<T, Error>);

 public:
  using value_type = T;

  // NOLINTBEGIN(google-explicit-constructor): `return value;` is the point.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  // NOLINTEND(google-explicit-constructor)

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& operator*() & { return checked<0>(*this); }
  const T& operator*() const& { return checked<0>(*this); }
  T&& operator*() && { return std::move(checked<0>(*this)); }
  T* operator->() { return &checked<0>(*this); }
  const T* operator->() const { return &checked<0>(*this); }

  const Error& error() const& { return checked<1>(*this); }
  Error&& error() && { return std::move(checked<1>(*this)); }

 private:
  template <std::size_t I, class Self>
  static auto& checked(Self& self) {
    auto* held = std::get_if<I>(&self.state_);
    if (held == nullptr) std::abort();
    return *held;
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> : public Result<std::monostate> {
 public:
  Result() : Result<std::monostate>(std::monostate{}) {}
  // NOLINTNEXTLINE(google-explicit-constructor): `return error;` is the point.
  Result(Error error) : Result<std::monostate>(std::move(error)) {}
};

}  // namespace gpunode

// NOLINTBEGIN(bugprone-macro-parentheses): `decl` is a declaration.
#define TRY_CAT2(a, b) a##b
#define TRY_CAT(a, b) TRY_CAT2(a, b)

/// TRY(auto x, f()): binds x to f()'s value, or returns f()'s Error. A whole
/// statement: never under an unbraced `if`.
#define TRY(decl, expr) TRY_IMPL(TRY_CAT(try_, __COUNTER__), decl, expr)
#define TRY_IMPL(tmp, decl, expr)          \
  auto tmp = (expr);                       \
  if (!tmp) return std::move(tmp).error(); \
  decl = *std::move(tmp)

/// TRY_VOID(f()): returns f()'s Error, if it failed.
#define TRY_VOID(expr)                       \
  do {                                       \
    if (auto try_void_ = (expr); !try_void_) \
      return std::move(try_void_).error();   \
  } while (false)
// NOLINTEND(bugprone-macro-parentheses)
