#include "tests/doubles/cuda/ptx_parser.h"

#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/doubles/cuda/ptx_decoder.h"
#include "tests/doubles/cuda/ptx_lexer.h"
#include "tests/doubles/cuda/ptx_token_stream.h"

namespace gpunode::fake_cuda::ptx {

namespace {

using Kind = Type::Kind;
using Role = OperandRule::Role;

// A module cannot make the double allocate without bound.
constexpr std::uint64_t kMostRegisters = 1U << 16;
constexpr std::uint64_t kMostSharedBytes = 227U << 10;  // Hopper's.
constexpr std::uint64_t kMostParameterBytes = 4096;

struct Register {
  std::uint32_t index = 0;
  Type type;
};

/// A branch whose label may come later.
struct Jump {
  std::size_t instruction = 0;
  std::string label;
  std::uint32_t line = 0;
};

/// What names mean inside one kernel.
struct Scope {
  std::map<std::string, Register> registers;
  std::map<std::string, std::uint32_t> shared;  ///< Offsets.
  std::map<std::string, std::uint32_t> labels;
  std::vector<Jump> jumps;
};

std::optional<std::pair<Special, Type>> special_named(std::string_view name) {
  static constexpr Type kU32 = {Kind::kUnsigned, 32};
  static constexpr Type kU64 = {Kind::kUnsigned, 64};
  static const std::map<std::string_view, std::pair<Special, Type>> names = {
      {"%tid.x", {Special::kTidX, kU32}},
      {"%tid.y", {Special::kTidY, kU32}},
      {"%tid.z", {Special::kTidZ, kU32}},
      {"%ntid.x", {Special::kNtidX, kU32}},
      {"%ntid.y", {Special::kNtidY, kU32}},
      {"%ntid.z", {Special::kNtidZ, kU32}},
      {"%ctaid.x", {Special::kCtaidX, kU32}},
      {"%ctaid.y", {Special::kCtaidY, kU32}},
      {"%ctaid.z", {Special::kCtaidZ, kU32}},
      {"%nctaid.x", {Special::kNctaidX, kU32}},
      {"%nctaid.y", {Special::kNctaidY, kU32}},
      {"%nctaid.z", {Special::kNctaidZ, kU32}},
      {"%laneid", {Special::kLaneid, kU32}},
      {"%warpid", {Special::kWarpid, kU32}},
      {"%clock", {Special::kClock, kU32}},
      {"%clock64", {Special::kClock64, kU64}},
      {"%globaltimer", {Special::kGlobaltimer, kU64}},
  };
  const auto found = names.find(name);
  if (found == names.end()) return std::nullopt;
  return found->second;
}

std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Module> run() {
    TRY_VOID(header());
    while (!tokens_.is_at_end()) TRY_VOID(top_level());
    return std::move(module_);
  }

 private:
  Result<void> top_level() {
    const bool is_linked =
        tokens_.take_word(".visible") || tokens_.take_word(".weak");
    if (tokens_.take_word(".entry")) return entry();
    if (is_linked) return tokens_.unexpected();
    if (tokens_.take_word(".shared")) {
      return shared_variable(&module_scope_, &module_shared_bytes_);
    }
    if (!skip_note()) return tokens_.unexpected();
    return {};
  }

  /// Debug notes and pragmas, which change nothing: `.loc 1 2 3`.
  bool skip_note() {
    if (tokens_.is_word(".pragma")) {
      tokens_.skip_statement();
    } else if (tokens_.is_word(".loc") || tokens_.is_word(".file")) {
      tokens_.skip_line();
    } else {
      return false;
    }
    return true;
  }

  Result<void> header() {
    TRY_VOID(version());
    TRY_VOID(target());
    if (!tokens_.take_word(".address_size")) return {};
    TRY(const std::uint64_t size, tokens_.expect_integer(64));
    if (size == 64) return {};
    return error_at(tokens_.line(), "Address size is not 64");
  }

  Result<void> version() {
    if (!tokens_.take_word(".version")) {
      return Error(ErrorCode::kInvalidArgument,
                   error_at(tokens_.line(),
                            "Missing .version directive at start of file")
                       .message());
    }
    // "4.0" reads as a float; PTX means two numbers.
    if (tokens_.peek().kind != Token::Kind::kFloat) return tokens_.unexpected();
    const auto both = std::bit_cast<double>(tokens_.take().bits);
    module_.version = static_cast<unsigned>(std::lround(both * 10));
    if (module_.version <= kNewestVersion) return {};
    return Error(ErrorCode::kUnsupported,
                 error_at(tokens_.line(), "Unsupported .version").message());
  }

  Result<void> target() {
    if (!tokens_.take_word(".target")) return tokens_.unexpected();
    TRY(const Token name, tokens_.expect_word());
    if (name.text.rfind("sm_", 0) != 0) {
      return error_at(name.line, "Unknown target '" + name.text + "'");
    }
    for (const char c : name.text.substr(3)) {
      if (c < '0' || c > '9') break;  // sm_90a
      module_.target = module_.target * 10 + static_cast<unsigned>(c - '0');
    }
    while (tokens_.take_mark(',')) TRY_VOID(tokens_.expect_word());
    return {};
  }

  Result<void> entry() {
    TRY(const Token name, tokens_.expect_word());
    if (module_.kernels.count(name.text) != 0) {
      return error_at(name.line, "Duplicate definition of '" + name.text + "'");
    }
    kernel_ = Kernel();
    kernel_.name = name.text;
    kernel_.shared_bytes = module_shared_bytes_;
    scope_ = module_scope_;
    TRY_VOID(parameters());
    TRY_VOID(body());
    module_.kernels.emplace(kernel_.name, std::move(kernel_));
    return {};
  }

  Result<void> parameters() {
    if (!tokens_.take_mark('(') || tokens_.take_mark(')')) return {};
    do {
      TRY_VOID(parameter());
    } while (tokens_.take_mark(','));
    return tokens_.expect_mark(')');
  }

  Result<void> body() {
    while (!tokens_.take_mark('{')) TRY_VOID(performance_directive());
    while (!tokens_.take_mark('}')) TRY_VOID(statement());
    Instruction end;
    end.opcode = Opcode::kRet;
    kernel_.code.push_back(end);
    return resolve_jumps();
  }

  /// `.maxntid 256, 1, 1` and kin: hints.
  Result<void> performance_directive() {
    if (tokens_.peek().kind != Token::Kind::kWord ||
        tokens_.peek().text[0] != '.') {
      return tokens_.unexpected();
    }
    tokens_.take();
    if (tokens_.peek().kind != Token::Kind::kInteger) return {};
    do {
      TRY_VOID(tokens_.expect_integer(UINT32_MAX));
    } while (tokens_.take_mark(','));
    return {};
  }

  Result<void> parameter() {
    if (!tokens_.take_word(".param")) return tokens_.unexpected();
    std::uint64_t alignment = 0;
    TRY_VOID(take_alignment(&alignment));
    TRY(const Type type, tokens_.expect_type());
    // `.ptr .global .align 4` promises; nothing here rests on them.
    while (tokens_.take_word(".ptr") || tokens_.take_word(".global")) {
    }
    std::uint64_t pointer_alignment = 0;
    TRY_VOID(take_alignment(&pointer_alignment));
    Parameter parameter;
    TRY(const Token name, tokens_.expect_word());
    parameter.name = name.text;
    TRY(const std::uint64_t count, array_length());
    if (type.bytes() == 0) return error_at(name.line, "Invalid type");
    const std::uint64_t bytes = count * type.bytes();
    if (alignment < type.bytes()) alignment = type.bytes();
    const std::uint64_t offset = align_up(kernel_.parameter_bytes, alignment);
    if (offset + bytes > kMostParameterBytes) {
      return error_at(name.line, "Formal parameter space overflowed");
    }
    parameter.offset = static_cast<std::uint32_t>(offset);
    parameter.bytes = static_cast<std::uint32_t>(bytes);
    kernel_.parameter_bytes = parameter.offset + parameter.bytes;
    kernel_.parameters.push_back(std::move(parameter));
    return {};
  }

  Result<void> take_alignment(std::uint64_t* alignment) {
    if (!tokens_.take_word(".align")) return {};
    TRY(*alignment, tokens_.expect_integer(128));
    if (!std::has_single_bit(*alignment)) {
      return error_at(tokens_.line(), "Alignment is not a power of two");
    }
    return {};
  }

  /// `[16]`, or 1 without brackets.
  Result<std::uint64_t> array_length() {
    if (!tokens_.take_mark('[')) return std::uint64_t{1};
    TRY(const std::uint64_t length, tokens_.expect_integer(kMostSharedBytes));
    TRY_VOID(tokens_.expect_mark(']'));
    return length;
  }

  Result<void> shared_variable(Scope* scope, std::uint32_t* used) {
    std::uint64_t alignment = 0;
    TRY_VOID(take_alignment(&alignment));
    TRY(const Type type, tokens_.expect_type());
    TRY(const Token name, tokens_.expect_word());
    TRY(const std::uint64_t count, array_length());
    if (type.bytes() == 0) return error_at(name.line, "Invalid type");
    if (alignment < type.bytes()) alignment = type.bytes();
    const std::uint64_t offset = align_up(*used, alignment);
    const std::uint64_t end = offset + count * type.bytes();
    if (end > kMostSharedBytes) {
      return error_at(name.line, "Too much shared data");
    }
    scope->shared[name.text] = static_cast<std::uint32_t>(offset);
    *used = static_cast<std::uint32_t>(end);
    return tokens_.expect_mark(';');
  }

  Result<void> statement() {
    if (skip_note()) return {};
    if (tokens_.take_word(".reg")) return registers();
    if (tokens_.take_word(".shared")) {
      return shared_variable(&scope_, &kernel_.shared_bytes);
    }
    return tokens_.is_label() ? label() : instruction();
  }

  Result<void> label() {
    const Token name = tokens_.take();
    tokens_.take();  // The colon.
    const auto place = static_cast<std::uint32_t>(kernel_.code.size());
    if (!scope_.labels.emplace(name.text, place).second) {
      return error_at(name.line, "Duplicate definition of '" + name.text + "'");
    }
    return {};
  }

  Result<void> registers() {
    TRY(const Type type, tokens_.expect_type());
    do {
      TRY(const Token name, tokens_.expect_word());
      TRY_VOID(tokens_.take_mark('<') ? declare_numbered(name, type)
                                      : declare(name.text, type, name.line));
    } while (tokens_.take_mark(','));
    return tokens_.expect_mark(';');
  }

  /// `%r<5>` is %r0 to %r4.
  Result<void> declare_numbered(const Token& name, Type type) {
    TRY(const std::uint64_t count, tokens_.expect_integer(kMostRegisters));
    for (std::uint64_t i = 0; i < count; ++i) {
      TRY_VOID(declare(name.text + std::to_string(i), type, name.line));
    }
    return tokens_.expect_mark('>');
  }

  Result<void> declare(const std::string& name, Type type, std::uint32_t line) {
    if (kernel_.register_count >= kMostRegisters) {
      return error_at(line, "Too many registers");
    }
    const Register declared = {kernel_.register_count, type};
    if (!scope_.registers.emplace(name, declared).second) {
      return error_at(line, "Duplicate definition of '" + name + "'");
    }
    ++kernel_.register_count;
    return {};
  }

  /// `@%p0` or `@!%p0`.
  Result<void> guard(Instruction* guarded) {
    if (!tokens_.take_mark('@')) return {};
    guarded->is_guard_negated = tokens_.take_mark('!');
    TRY(const Token name, tokens_.expect_word());
    TRY(const Register predicate, find_register(name));
    if (predicate.type.kind != Kind::kPredicate) {
      return error_at(name.line, "Guard is not a predicate");
    }
    guarded->guard = predicate.index;
    return {};
  }

  Result<void> instruction() {
    Instruction guarded;
    TRY_VOID(guard(&guarded));
    TRY(const Token word, tokens_.expect_word());
    TRY(Decoded decoded, decode(word.text, word.line));
    Instruction& parsed = decoded.instruction;
    parsed.guard = guarded.guard;
    parsed.is_guard_negated = guarded.is_guard_negated;
    bool is_first = true;
    for (const OperandRule& rule : decoded.operands) {
      if (!std::exchange(is_first, false)) TRY_VOID(tokens_.expect_mark(','));
      TRY_VOID(operand(rule, &parsed));
    }
    if (parsed.opcode == Opcode::kBar) kernel_.has_barrier = true;
    kernel_.code.push_back(parsed);
    return tokens_.expect_mark(';');
  }

  Result<void> operand(const OperandRule& rule, Instruction* parsed) {
    switch (rule.role) {
      case Role::kDestination: {
        TRY(const Token name, tokens_.expect_word());
        TRY(const Register found, find_register(name));
        if (!fits(found.type, rule.type, rule.may_be_wider)) {
          return mismatch(name.line);
        }
        parsed->destination.kind = Operand::Kind::kRegister;
        parsed->destination.index = found.index;
        parsed->destination_bits = found.type.bits;
        return {};
      }
      case Role::kA:
        return source(rule, &parsed->a);
      case Role::kB:
        return source(rule, &parsed->b);
      case Role::kC:
        return source(rule, &parsed->c);
      case Role::kAddress:
        return address(parsed);
      case Role::kTarget: {
        TRY(const Token name, tokens_.expect_word());
        scope_.jumps.push_back({kernel_.code.size(), name.text, name.line});
        return {};
      }
      case Role::kBarrier:
        TRY_VOID(tokens_.expect_integer(0));
        return {};
    }
    return {};
  }

  static Error mismatch(std::uint32_t line) {
    return error_at(line, "Arguments mismatch for instruction");
  }

  Result<Register> find_register(const Token& name) const {
    const auto found = scope_.registers.find(name.text);
    if (found == scope_.registers.end()) {
      return error_at(name.line, "Unknown symbol '" + name.text + "'");
    }
    return found->second;
  }

  Result<void> source(const OperandRule& rule, Operand* operand) {
    if (tokens_.peek().kind != Token::Kind::kWord)
      return immediate(rule.type, operand);
    const Token name = tokens_.take();
    if (const auto special = special_named(name.text)) {
      if (!fits(special->second, rule.type, rule.may_be_wider)) {
        return mismatch(name.line);
      }
      operand->kind = Operand::Kind::kSpecial;
      operand->index = static_cast<std::uint32_t>(special->first);
      return {};
    }
    if (const auto shared = scope_.shared.find(name.text);
        shared != scope_.shared.end()) {
      operand->kind = Operand::Kind::kImmediate;
      operand->bits = shared->second;
      return {};
    }
    TRY(const Register found, find_register(name));
    if (!fits(found.type, rule.type, rule.may_be_wider)) {
      return mismatch(name.line);
    }
    operand->kind = Operand::Kind::kRegister;
    operand->index = found.index;
    return {};
  }

  Result<void> immediate(Type type, Operand* operand) {
    const bool is_negative = tokens_.take_mark('-');
    const Token token = tokens_.take();
    operand->kind = Operand::Kind::kImmediate;
    switch (token.kind) {
      case Token::Kind::kInteger:
        if (type.kind == Kind::kFloat) return mismatch(token.line);
        operand->bits = is_negative ? 0 - token.bits : token.bits;
        break;
      case Token::Kind::kFloatBits32:
      case Token::Kind::kFloatBits64:
      case Token::Kind::kFloat:
        return float_immediate(type, token, is_negative, operand);
      default:
        return error_at(token.line, "Parsing error near '" + token.text +
                                        "': syntax error");
    }
    if (type.bits < 64) operand->bits &= (std::uint64_t{1} << type.bits) - 1;
    return {};
  }

  static Result<void> float_immediate(Type type, const Token& token,
                                      bool is_negative, Operand* operand) {
    if (type.kind != Kind::kFloat && type.kind != Kind::kBits) {
      return mismatch(token.line);
    }
    double value = token.kind == Token::Kind::kFloatBits32
                       ? static_cast<double>(std::bit_cast<float>(
                             static_cast<std::uint32_t>(token.bits)))
                       : std::bit_cast<double>(token.bits);
    if (is_negative) value = -value;
    if (type.bits == 32) {
      operand->bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    } else {
      operand->bits = std::bit_cast<std::uint64_t>(value);
    }
    return {};
  }

  /// `[%rd1+4]`, `[param_a]`, `[shared_array+8]`.
  Result<void> address(Instruction* parsed) {
    TRY_VOID(tokens_.expect_mark('['));
    TRY(const Token name, tokens_.expect_word());
    TRY_VOID(address_base(name, parsed->space, &parsed->address));
    if (tokens_.take_mark('+') || tokens_.peek().text == "-") {
      const bool is_negative = tokens_.take_mark('-');
      TRY(const std::uint64_t offset, tokens_.expect_integer(INT32_MAX));
      const auto forward = static_cast<std::int64_t>(offset);
      parsed->address.offset = is_negative ? -forward : forward;
    }
    return tokens_.expect_mark(']');
  }

  Result<void> address_base(const Token& name, Space space,
                            Operand* operand) const {
    if (space == Space::kParam) return parameter_address(name, operand);
    const auto shared = scope_.shared.find(name.text);
    if (space == Space::kShared && shared != scope_.shared.end()) {
      operand->kind = Operand::Kind::kImmediate;
      operand->bits = shared->second;
      return {};
    }
    TRY(const Register found, find_register(name));
    // Shared memory may be addressed with 32 bits.
    const bool is_wide_enough =
        found.type.bits == 64 ||
        (space == Space::kShared && found.type.bits == 32);
    if (found.type.kind == Kind::kFloat || !is_wide_enough) {
      return mismatch(name.line);
    }
    operand->kind = Operand::Kind::kRegister;
    operand->index = found.index;
    return {};
  }

  Result<void> parameter_address(const Token& name, Operand* operand) const {
    for (const Parameter& parameter : kernel_.parameters) {
      if (parameter.name != name.text) continue;
      operand->kind = Operand::Kind::kImmediate;
      operand->bits = parameter.offset;
      return {};
    }
    return error_at(name.line, "Unknown symbol '" + name.text + "'");
  }

  Result<void> resolve_jumps() {
    for (const Jump& jump : scope_.jumps) {
      const auto label = scope_.labels.find(jump.label);
      if (label == scope_.labels.end()) {
        return error_at(jump.line, "Unknown symbol '" + jump.label + "'");
      }
      kernel_.code[jump.instruction].target = label->second;
    }
    return {};
  }

  TokenStream tokens_;
  Module module_;
  Scope module_scope_;
  std::uint32_t module_shared_bytes_ = 0;
  Kernel kernel_;
  Scope scope_;
};

}  // namespace

Result<Module> parse(std::string_view text) {
  TRY(std::vector<Token> tokens, split(text));
  return Parser(std::move(tokens)).run();
}

}  // namespace gpunode::fake_cuda::ptx
