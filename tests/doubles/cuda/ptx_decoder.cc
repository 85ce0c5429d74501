#include "tests/doubles/cuda/ptx_decoder.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "tests/doubles/cuda/ptx_lexer.h"

namespace gpunode::fake_cuda::ptx {

namespace {

using Kind = Type::Kind;
using Role = OperandRule::Role;

constexpr Type kPredicate = {Kind::kPredicate, 1};
constexpr Type kU32 = {Kind::kUnsigned, 32};
constexpr Type kU64 = {Kind::kUnsigned, 64};

// Which kinds of type an opcode takes.
constexpr unsigned kTakesUnsigned = 1U << 0;
constexpr unsigned kTakesSigned = 1U << 1;
constexpr unsigned kTakesFloat = 1U << 2;
constexpr unsigned kTakesBits = 1U << 3;
constexpr unsigned kTakesPredicate = 1U << 4;
constexpr unsigned kTakes8Bits = 1U << 5;  ///< Memory and cvt only.
constexpr unsigned kTakesIntegers = kTakesUnsigned | kTakesSigned;
constexpr unsigned kTakesNumbers = kTakesIntegers | kTakesFloat;
constexpr unsigned kTakesMemory = kTakesNumbers | kTakesBits | kTakes8Bits;

// Which modifiers an opcode takes, beside its types.
constexpr unsigned kMayProduct = 1U << 0;  ///< .lo .hi .wide
constexpr unsigned kMayRound = 1U << 1;    ///< .rn; others are not known here
constexpr unsigned kMayConvert = 1U << 2;  ///< .rni .rzi .rmi .rpi .rz .rm .rp
constexpr unsigned kMayCompare = 1U << 3;  ///< .lt and kin
constexpr unsigned kMaySpace = 1U << 4;    ///< .global .param .shared
constexpr unsigned kMayCache = 1U << 5;    ///< .ca .cg .nc .volatile and kin
constexpr unsigned kMayAtomic = 1U << 6;   ///< .add .exch .min .max .cas
constexpr unsigned kMayOrder = 1U << 7;    ///< .relaxed .acquire .gpu and kin
constexpr unsigned kMayNothing = 1U << 8;  ///< .to .uni .sync .approx .full

struct Form {
  std::string_view name;
  Opcode opcode;
  unsigned types;  ///< 0: the opcode has no type.
  unsigned modifiers;
  std::string_view operands;  ///< d a b c, [ address, t target, # barrier.
};

constexpr std::array kForms = {
    Form{"add", Opcode::kAdd, kTakesNumbers, kMayRound, "dab"},
    Form{"sub", Opcode::kSub, kTakesNumbers, kMayRound, "dab"},
    Form{"mul", Opcode::kMul, kTakesNumbers, kMayRound | kMayProduct, "dab"},
    Form{"mad", Opcode::kMad, kTakesNumbers, kMayRound | kMayProduct, "dabc"},
    Form{"fma", Opcode::kFma, kTakesFloat, kMayRound, "dabc"},
    Form{"div", Opcode::kDiv, kTakesNumbers, kMayRound | kMayNothing, "dab"},
    Form{"rem", Opcode::kRem, kTakesIntegers, 0, "dab"},
    Form{"min", Opcode::kMin, kTakesNumbers, 0, "dab"},
    Form{"max", Opcode::kMax, kTakesNumbers, 0, "dab"},
    Form{"abs", Opcode::kAbs, kTakesSigned | kTakesFloat, 0, "da"},
    Form{"neg", Opcode::kNeg, kTakesSigned | kTakesFloat, 0, "da"},
    Form{"sqrt", Opcode::kSqrt, kTakesFloat, kMayRound | kMayNothing, "da"},
    Form{"rcp", Opcode::kRcp, kTakesFloat, kMayRound | kMayNothing, "da"},
    Form{"and", Opcode::kAnd, kTakesBits | kTakesPredicate, 0, "dab"},
    Form{"or", Opcode::kOr, kTakesBits | kTakesPredicate, 0, "dab"},
    Form{"xor", Opcode::kXor, kTakesBits | kTakesPredicate, 0, "dab"},
    Form{"not", Opcode::kNot, kTakesBits | kTakesPredicate, 0, "da"},
    Form{"shl", Opcode::kShl, kTakesBits, 0, "dab"},
    Form{"shr", Opcode::kShr, kTakesBits | kTakesIntegers, 0, "dab"},
    Form{"mov", Opcode::kMov, kTakesNumbers | kTakesBits | kTakesPredicate, 0,
         "da"},
    Form{"cvt", Opcode::kCvt, kTakesNumbers | kTakes8Bits,
         kMayRound | kMayConvert, "da"},
    Form{"cvta", Opcode::kCvta, kTakesUnsigned, kMaySpace | kMayNothing, "da"},
    Form{"selp", Opcode::kSelp, kTakesNumbers | kTakesBits, 0, "dabc"},
    Form{"setp", Opcode::kSetp, kTakesNumbers | kTakesBits, kMayCompare, "dab"},
    Form{"ld", Opcode::kLd, kTakesMemory, kMaySpace | kMayCache | kMayOrder,
         "d["},
    Form{"st", Opcode::kSt, kTakesMemory, kMaySpace | kMayCache | kMayOrder,
         "[a"},
    Form{"atom", Opcode::kAtom, kTakesNumbers | kTakesBits,
         kMaySpace | kMayAtomic | kMayOrder, "d[b"},
    Form{"bra", Opcode::kBra, 0, kMayNothing, "t"},
    Form{"bar", Opcode::kBar, 0, kMayNothing, "#"},
    Form{"barrier", Opcode::kBar, 0, kMayNothing, "#"},
    Form{"membar", Opcode::kFence, 0, kMayOrder, ""},
    Form{"fence", Opcode::kFence, 0, kMayOrder, ""},
    Form{"ret", Opcode::kRet, 0, kMayNothing, ""},
    Form{"exit", Opcode::kRet, 0, 0, ""},
    Form{"trap", Opcode::kTrap, 0, 0, ""},
};

template <class Value>
using Names = std::pair<std::string_view, Value>;

constexpr std::array kProducts = {
    Names<Product>{"lo", Product::kLow},
    Names<Product>{"hi", Product::kHigh},
    Names<Product>{"wide", Product::kWide},
};

constexpr std::array kCompares = {
    Names<Compare>{"eq", Compare::kEq},   Names<Compare>{"ne", Compare::kNe},
    Names<Compare>{"lt", Compare::kLt},   Names<Compare>{"le", Compare::kLe},
    Names<Compare>{"gt", Compare::kGt},   Names<Compare>{"ge", Compare::kGe},
    Names<Compare>{"lo", Compare::kLt},   Names<Compare>{"ls", Compare::kLe},
    Names<Compare>{"hi", Compare::kGt},   Names<Compare>{"hs", Compare::kGe},
    Names<Compare>{"equ", Compare::kEqu}, Names<Compare>{"neu", Compare::kNeu},
    Names<Compare>{"ltu", Compare::kLtu}, Names<Compare>{"leu", Compare::kLeu},
    Names<Compare>{"gtu", Compare::kGtu}, Names<Compare>{"geu", Compare::kGeu},
    Names<Compare>{"num", Compare::kNum}, Names<Compare>{"nan", Compare::kNan},
};

constexpr std::array kSpaces = {
    Names<Space>{"global", Space::kGlobal},
    Names<Space>{"param", Space::kParam},
    Names<Space>{"shared", Space::kShared},
};

constexpr std::array kAtomics = {
    Names<AtomicOp>{"add", AtomicOp::kAdd},
    Names<AtomicOp>{"exch", AtomicOp::kExchange},
    Names<AtomicOp>{"min", AtomicOp::kMin},
    Names<AtomicOp>{"max", AtomicOp::kMax},
    Names<AtomicOp>{"cas", AtomicOp::kCas},
};

constexpr std::array kRoundings = {
    Names<Rounding>{"rni", Rounding::kNearest},
    Names<Rounding>{"rzi", Rounding::kZero},
    Names<Rounding>{"rmi", Rounding::kDown},
    Names<Rounding>{"rpi", Rounding::kUp},
};

constexpr std::array<std::string_view, 9> kCacheWords = {
    "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "volatile"};
constexpr std::array<std::string_view, 12> kOrderWords = {
    "relaxed", "acquire", "release", "acq_rel", "weak",    "sc",
    "cta",     "gpu",     "sys",     "gl",      "cluster", "proxy"};
constexpr std::array<std::string_view, 6> kIdleWords = {
    "to", "uni", "sync", "aligned", "approx", "full"};

template <class Table, class Value>
bool look_up(const Table& table, std::string_view word, Value* value) {
  const auto* found = std::find_if(
      table.begin(), table.end(), [&](auto& row) { return row.first == word; });
  if (found == table.end()) return false;
  *value = found->second;
  return true;
}

template <class Words>
bool holds(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Takes one modifier into `instruction`; false if the form has no such one.
bool take_modifier(const Form& form, std::string_view word,
                   Instruction* instruction) {
  const auto may = [&](unsigned what) { return (form.modifiers & what) != 0; };
  if (may(kMayProduct) && look_up(kProducts, word, &instruction->product)) {
    return true;
  }
  if (may(kMayCompare) && look_up(kCompares, word, &instruction->compare)) {
    return true;
  }
  if (may(kMaySpace) && look_up(kSpaces, word, &instruction->space)) {
    return true;
  }
  if (may(kMayAtomic) && look_up(kAtomics, word, &instruction->atomic)) {
    return true;
  }
  if (may(kMayConvert) && look_up(kRoundings, word, &instruction->rounding)) {
    instruction->is_rounding_to_integer = true;
    return true;
  }
  return (may(kMayRound) && word == "rn") ||
         (may(kMayCache) && holds(kCacheWords, word)) ||
         (may(kMayOrder) && holds(kOrderWords, word)) ||
         (may(kMayNothing) && holds(kIdleWords, word));
}

unsigned taken_as(Type type) {
  switch (type.kind) {
    case Kind::kUnsigned:
      return kTakesUnsigned;
    case Kind::kSigned:
      return kTakesSigned;
    case Kind::kFloat:
      return kTakesFloat;
    case Kind::kBits:
      return kTakesBits;
    case Kind::kPredicate:
      return kTakesPredicate;
    case Kind::kNone:
      break;
  }
  return 0;
}

bool takes(const Form& form, Type type) {
  if (type.bits == 8 && (form.types & kTakes8Bits) == 0) return false;
  return (form.types & taken_as(type)) != 0;
}

/// Rules between modifiers and types that the table cannot say; "" if kept.
std::string_view broken_rule(const Instruction& i) {
  const bool is_float = i.type.kind == Kind::kFloat;
  switch (i.opcode) {
    case Opcode::kMul:
    case Opcode::kMad:
      if (is_float != (i.product == Product::kNone)) {
        return "integer products need .lo, .hi or .wide, others take none";
      }
      if (i.product == Product::kWide && i.type.bits == 64) {
        return ".wide takes 16 and 32 bits";
      }
      return "";
    case Opcode::kCvt:
      if (!is_float && i.source_type.kind == Kind::kFloat &&
          !i.is_rounding_to_integer) {
        return "a float becomes an integer by .rni, .rzi, .rmi or .rpi";
      }
      return "";
    case Opcode::kCvta:
      if (i.space != Space::kGlobal || i.type != kU64) {
        return "only cvta.global.u64 and cvta.to.global.u64 are known here";
      }
      return "";
    case Opcode::kAtom:
      if (i.space == Space::kParam || i.type.bits < 32) {
        return "atom takes global and shared memory, 32 and 64 bits";
      }
      if (is_float && i.atomic != AtomicOp::kAdd) {
        return "atom on floats is .add";
      }
      return "";
    case Opcode::kSt:
      return i.space == Space::kParam ? "parameters are read only" : "";
    default:
      return "";
  }
}

OperandRule rule_for(char place, const Instruction& i) {
  Type destination = i.type;
  Type a = i.type;
  Type b = i.type;
  Type c = i.type;
  if (i.product == Product::kWide) {
    destination.bits = c.bits = static_cast<std::uint8_t>(i.type.bits * 2);
  }
  if (i.opcode == Opcode::kSetp) destination = kPredicate;
  if (i.opcode == Opcode::kSelp) c = kPredicate;
  if (i.opcode == Opcode::kShl || i.opcode == Opcode::kShr) b = kU32;
  if (i.opcode == Opcode::kCvt) a = i.source_type;
  const bool wide = i.opcode == Opcode::kLd || i.opcode == Opcode::kSt ||
                    i.opcode == Opcode::kCvt;
  switch (place) {
    case 'd':
      return {Role::kDestination, destination, wide};
    case 'a':
      return {Role::kA, a, wide};
    case 'b':
      return {Role::kB, b, false};
    case 'c':
      return {Role::kC, c, false};
    case '[':
      return {Role::kAddress, kU64, false};
    case 't':
      return {Role::kTarget, {}, false};
    default:
      return {Role::kBarrier, kU32, false};
  }
}

std::vector<std::string_view> split_at_dots(std::string_view word) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = word.find('.');
    parts.push_back(word.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    word.remove_prefix(dot + 1);
  }
}

}  // namespace

Type type_named(std::string_view word) {
  static constexpr std::array kTypes = {
      Names<Type>{"pred", kPredicate},
      Names<Type>{"b8", {Kind::kBits, 8}},
      Names<Type>{"b16", {Kind::kBits, 16}},
      Names<Type>{"b32", {Kind::kBits, 32}},
      Names<Type>{"b64", {Kind::kBits, 64}},
      Names<Type>{"u8", {Kind::kUnsigned, 8}},
      Names<Type>{"u16", {Kind::kUnsigned, 16}},
      Names<Type>{"u32", kU32},
      Names<Type>{"u64", kU64},
      Names<Type>{"s8", {Kind::kSigned, 8}},
      Names<Type>{"s16", {Kind::kSigned, 16}},
      Names<Type>{"s32", {Kind::kSigned, 32}},
      Names<Type>{"s64", {Kind::kSigned, 64}},
      Names<Type>{"f32", {Kind::kFloat, 32}},
      Names<Type>{"f64", {Kind::kFloat, 64}},
  };
  Type type;
  look_up(kTypes, word, &type);
  return type;
}

bool fits(Type declared, Type wanted, bool may_be_wider) {
  const bool is_predicate = declared.kind == Kind::kPredicate;
  if (is_predicate != (wanted.kind == Kind::kPredicate)) return false;
  if (is_predicate) return true;
  const bool either_is_bits =
      declared.kind == Kind::kBits || wanted.kind == Kind::kBits;
  const bool same_world =
      (declared.kind == Kind::kFloat) == (wanted.kind == Kind::kFloat);
  if (!either_is_bits && !same_world) return false;
  if (declared.bits == wanted.bits) return true;
  return may_be_wider && declared.bits > wanted.bits &&
         declared.kind != Kind::kFloat && wanted.kind != Kind::kFloat;
}

Result<Decoded> decode(std::string_view word, std::uint32_t line) {
  const std::vector<std::string_view> parts = split_at_dots(word);
  const auto* form =
      std::find_if(kForms.begin(), kForms.end(),
                   [&](const Form& row) { return row.name == parts[0]; });
  if (form == kForms.end()) {
    return error_at(line, "Not a name of any known instruction: '" +
                              std::string(parts[0]) + "'");
  }
  Decoded decoded;
  Instruction& instruction = decoded.instruction;
  instruction.opcode = form->opcode;
  instruction.line = line;
  const unsigned wanted_types =
      form->types == 0 ? 0 : (form->opcode == Opcode::kCvt ? 2 : 1);
  unsigned types = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const Type type = type_named(parts[i]);
    const bool is_type = type.kind != Kind::kNone;
    if (is_type && types < wanted_types && takes(*form, type)) {
      (types == 0 ? instruction.type : instruction.source_type) = type;
      ++types;
    } else if (is_type || !take_modifier(*form, parts[i], &instruction)) {
      return error_at(line, "Unexpected or unknown modifier '." +
                                std::string(parts[i]) + "' in '" +
                                std::string(word) + "'");
    }
  }
  if (types != wanted_types) {
    return error_at(line, "Missing type in '" + std::string(word) + "'");
  }
  if (const std::string_view rule = broken_rule(instruction); !rule.empty()) {
    return error_at(line, std::string(rule) + ": '" + std::string(word) + "'");
  }
  for (const char place : form->operands) {
    decoded.operands.push_back(rule_for(place, instruction));
  }
  if (instruction.opcode == Opcode::kAtom &&
      instruction.atomic == AtomicOp::kCas) {
    decoded.operands.push_back(rule_for('c', instruction));
  }
  return decoded;
}

}  // namespace gpunode::fake_cuda::ptx
