#include "tests/doubles/cuda/ptx_arithmetic.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

namespace gpunode::fake_cuda::ptx {

namespace {

using Kind = Type::Kind;

template <class T>
T value_from(std::uint64_t bits) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<double>(bits);
  } else {
    return static_cast<T>(bits);
  }
}

template <class T>
std::uint64_t bits_from(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<std::uint32_t>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<std::uint64_t>(value);
  } else {
    return static_cast<std::make_unsigned_t<T>>(value);
  }
}

/// Calls `function` with a value of the C++ type that `type` names.
template <class Function>
std::uint64_t with_type(Type type, Function function) {
  if (type.kind == Kind::kFloat) {
    return type.bits == 32 ? function(float{}) : function(double{});
  }
  const bool is_signed = type.kind == Kind::kSigned;
  switch (type.bits) {
    case 8:
      return is_signed ? function(std::int8_t{}) : function(std::uint8_t{});
    case 16:
      return is_signed ? function(std::int16_t{}) : function(std::uint16_t{});
    case 32:
      return is_signed ? function(std::int32_t{}) : function(std::uint32_t{});
    default:
      return is_signed ? function(std::int64_t{}) : function(std::uint64_t{});
  }
}

/// min and max prefer the number to the NaN, as IEEE 754-2008 minNum does.
float pick(float a, float b, bool is_min) {
  return is_min ? std::fmin(a, b) : std::fmax(a, b);
}
double pick(double a, double b, bool is_min) {
  return is_min ? std::fmin(a, b) : std::fmax(a, b);
}

template <class T>
T float_result(const Instruction& i, T a, T b, T c) {
  switch (i.opcode) {
    case Opcode::kAdd:
      return a + b;
    case Opcode::kSub:
      return a - b;
    case Opcode::kMul:
      return a * b;
    case Opcode::kMad:
    case Opcode::kFma:
      return std::fma(a, b, c);
    case Opcode::kDiv:
      return a / b;
    case Opcode::kMin:
      return pick(a, b, true);
    case Opcode::kMax:
      return pick(a, b, false);
    case Opcode::kAbs:
      return std::fabs(a);
    case Opcode::kNeg:
      return -a;
    case Opcode::kSqrt:
      return std::sqrt(a);
    case Opcode::kRcp:
      return T{1} / a;
    default:
      return a;
  }
}

// 128 bits are an extension of both compilers.
__extension__ using Signed128 = __int128;
__extension__ using Unsigned128 = unsigned __int128;

/// The upper half of a product; 64 bits by way of 128.
template <class T>
T high_half(T a, T b) {
  using Wide = std::conditional_t<std::is_signed_v<T>, Signed128, Unsigned128>;
  constexpr auto kBits = std::numeric_limits<std::make_unsigned_t<T>>::digits;
  return static_cast<T>((static_cast<Wide>(a) * static_cast<Wide>(b)) >> kBits);
}

/// The GPU does not trap: x / 0 is all ones, and the one overflow wraps.
template <class T>
std::uint64_t quotient(T a, T b) {
  if (b == 0) return bits_from(static_cast<T>(~T{0}));
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) {
      return bits_from(static_cast<T>(std::uint64_t{0} - bits_from(a)));
    }
  }
  return bits_from(static_cast<T>(a / b));
}

template <class T>
std::uint64_t remainder_of(T a, T b) {
  if (b == 0) return bits_from(a);
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return 0;
  }
  return bits_from(static_cast<T>(a % b));
}

/// Shifts by the width or more give zero, or the sign; PTX clamps, C++ does not
/// define them.
template <class T>
std::uint64_t shift(Opcode opcode, T value, std::uint64_t amount) {
  constexpr auto kBits = std::numeric_limits<std::make_unsigned_t<T>>::digits;
  const bool is_past = amount >= static_cast<std::uint64_t>(kBits);
  if (opcode == Opcode::kShl) {
    return is_past ? 0 : bits_from(static_cast<T>(bits_from(value) << amount));
  }
  if (is_past) return bits_from(static_cast<T>(value < 0 ? ~T{0} : T{0}));
  return bits_from(static_cast<T>(value >> amount));
}

/// Integers wrap, so sums and low products are formed without a sign.
template <class T>
std::uint64_t integer_result(const Instruction& i, const Values& v) {
  const T a = value_from<T>(v.a);
  const T b = value_from<T>(v.b);
  const auto wrap = [](std::uint64_t bits) {
    return bits_from(static_cast<T>(bits));
  };
  switch (i.opcode) {
    case Opcode::kAdd:
      return wrap(v.a + v.b);
    case Opcode::kSub:
      return wrap(v.a - v.b);
    case Opcode::kMul:
      return i.product == Product::kHigh ? bits_from(high_half(a, b))
                                         : wrap(v.a * v.b);
    case Opcode::kMad:
      return i.product == Product::kHigh
                 ? wrap(bits_from(high_half(a, b)) + v.c)
                 : wrap(v.a * v.b + v.c);
    case Opcode::kDiv:
      return quotient(a, b);
    case Opcode::kRem:
      return remainder_of(a, b);
    case Opcode::kMin:
      return bits_from(std::min(a, b));
    case Opcode::kMax:
      return bits_from(std::max(a, b));
    case Opcode::kAbs:
      return a < 0 ? wrap(std::uint64_t{0} - v.a) : bits_from(a);
    case Opcode::kNeg:
      return wrap(std::uint64_t{0} - v.a);
    case Opcode::kAnd:
      return wrap(v.a & v.b);
    case Opcode::kOr:
      return wrap(v.a | v.b);
    case Opcode::kXor:
      return wrap(v.a ^ v.b);
    case Opcode::kNot:
      return wrap(~v.a);
    case Opcode::kShl:
    case Opcode::kShr:
      return shift(i.opcode, a, value_from<std::uint32_t>(v.b));
    default:
      return bits_from(a);
  }
}

/// mul.wide and mad.wide: 16 or 32 bits in, twice as many out.
std::uint64_t wide_result(const Instruction& i, const Values& v) {
  const std::uint64_t product = widen(i.type, v.a) * widen(i.type, v.b);
  const std::uint64_t sum = i.opcode == Opcode::kMad ? product + v.c : product;
  return i.type.bits == 16 ? static_cast<std::uint32_t>(sum) : sum;
}

template <class T>
bool ordered_compare(Compare compare, T a, T b) {
  switch (compare) {
    case Compare::kEq:
    case Compare::kEqu:
      return a == b;
    case Compare::kNe:
    case Compare::kNeu:
      return a != b;
    case Compare::kLt:
    case Compare::kLtu:
      return a < b;
    case Compare::kLe:
    case Compare::kLeu:
      return a <= b;
    case Compare::kGt:
    case Compare::kGtu:
      return a > b;
    case Compare::kGe:
    case Compare::kGeu:
      return a >= b;
    case Compare::kNum:
      return true;
    case Compare::kNan:
      return false;
  }
  return false;
}

template <class T>
bool is_true(Compare compare, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) {
      return compare >= Compare::kEqu && compare != Compare::kNum;
    }
  }
  return ordered_compare(compare, a, b);
}

template <class Float>
Float round_by(Rounding rounding, Float value) {
  switch (rounding) {
    case Rounding::kNearest:
      return std::nearbyint(value);  // The default mode: ties to even.
    case Rounding::kZero:
      return std::trunc(value);
    case Rounding::kDown:
      return std::floor(value);
    case Rounding::kUp:
      return std::ceil(value);
  }
  return value;
}

/// Out of range clamps, NaN becomes 0: what the hardware does.
template <class To, class From>
To clamp_to(From value) {
  if (std::isnan(value)) return 0;
  if (value <= static_cast<From>(std::numeric_limits<To>::min())) {
    return std::numeric_limits<To>::min();
  }
  if (value >= static_cast<From>(std::numeric_limits<To>::max())) {
    return std::numeric_limits<To>::max();
  }
  return static_cast<To>(value);
}

std::uint64_t convert(const Instruction& i, std::uint64_t bits) {
  return with_type(i.source_type, [&](auto from_tag) {
    using From = decltype(from_tag);
    return with_type(i.type, [&](auto to_tag) {
      using To = decltype(to_tag);
      From value = value_from<From>(bits);
      if constexpr (std::is_floating_point_v<From>) {
        if (i.is_rounding_to_integer) value = round_by(i.rounding, value);
        if constexpr (!std::is_floating_point_v<To>) {
          return bits_from(clamp_to<To>(value));
        }
      }
      return bits_from(static_cast<To>(value));
    });
  });
}

std::uint64_t predicate_result(Opcode opcode, const Values& v) {
  switch (opcode) {
    case Opcode::kAnd:
      return v.a & v.b & 1;
    case Opcode::kOr:
      return (v.a | v.b) & 1;
    case Opcode::kXor:
      return (v.a ^ v.b) & 1;
    case Opcode::kNot:
      return ~v.a & 1;
    default:
      return v.a & 1;
  }
}

}  // namespace

std::uint64_t widen(Type type, std::uint64_t bits) {
  return with_type(type, [&](auto tag) -> std::uint64_t {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      return bits;
    } else {
      // Signed types go through int64_t and so extend their sign.
      return static_cast<std::uint64_t>(value_from<T>(bits));
    }
  });
}

std::uint64_t compute(const Instruction& instruction, const Values& values) {
  switch (instruction.opcode) {
    case Opcode::kCvt:
      return widen(instruction.type, convert(instruction, values.a));
    case Opcode::kSelp:
      return (values.c & 1) != 0 ? values.a : values.b;
    case Opcode::kCvta:
      return values.a;  // Global and generic addresses are the same here.
    case Opcode::kSetp:
      return with_type(instruction.type, [&](auto tag) -> std::uint64_t {
        using T = decltype(tag);
        return is_true(instruction.compare, value_from<T>(values.a),
                       value_from<T>(values.b))
                   ? 1
                   : 0;
      });
    default:
      break;
  }
  if (instruction.type.kind == Kind::kPredicate) {
    return predicate_result(instruction.opcode, values);
  }
  if (instruction.product == Product::kWide) {
    return wide_result(instruction, values);
  }
  return with_type(instruction.type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_floating_point_v<T>) {
      return bits_from(float_result(instruction, value_from<T>(values.a),
                                    value_from<T>(values.b),
                                    value_from<T>(values.c)));
    } else {
      return integer_result<T>(instruction, values);
    }
  });
}

std::uint64_t compute_atomic(const Instruction& instruction, std::uint64_t old,
                             const Values& values) {
  Instruction plain = instruction;
  switch (instruction.atomic) {
    case AtomicOp::kExchange:
      return values.b;
    case AtomicOp::kCas:
      return old == values.b ? values.c : old;
    case AtomicOp::kAdd:
      plain.opcode = Opcode::kAdd;
      break;
    case AtomicOp::kMin:
      plain.opcode = Opcode::kMin;
      break;
    case AtomicOp::kMax:
      plain.opcode = Opcode::kMax;
      break;
  }
  return compute(plain, {old, values.b, 0});
}

}  // namespace gpunode::fake_cuda::ptx
