#include "tests/doubles/cuda/ptx_parser.h"

#include <bit>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/doubles/cuda/ptx_decoder.h"
#include "tests/doubles/cuda/ptx_lexer.h"

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
  static const std::map<std::string_view, std::pair<Special, Type>> kNames = {
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
  const auto found = kNames.find(name);
  if (found == kNames.end()) return std::nullopt;
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
    while (peek().kind != Token::Kind::kEnd) {
      const bool is_linked = take_word(".visible") || take_word(".weak");
      if (take_word(".entry")) {
        TRY_VOID(entry());
      } else if (is_linked) {
        return unexpected();
      } else if (peek().text == ".shared") {
        TRY_VOID(shared_variable(&module_scope_, &module_shared_bytes_));
      } else if (!skip_note()) {
        return unexpected();
      }
    }
    return std::move(module_);
  }

 private:
  const Token& peek() const { return tokens_[at_]; }

  Token take() {
    Token token = tokens_[at_];
    if (token.kind != Token::Kind::kEnd) ++at_;
    return token;
  }

  bool take_word(std::string_view word) {
    if (peek().kind != Token::Kind::kWord || peek().text != word) return false;
    ++at_;
    return true;
  }

  bool take_mark(char mark) {
    if (peek().kind != Token::Kind::kPunctuation || peek().text[0] != mark) {
      return false;
    }
    ++at_;
    return true;
  }

  Error unexpected() const {
    const std::string text =
        peek().kind == Token::Kind::kEnd ? "end of file" : peek().text;
    return error_at(peek().line,
                    "Parsing error near '" + text + "': syntax error");
  }

  Result<void> expect_mark(char mark) {
    if (!take_mark(mark)) return unexpected();
    return {};
  }

  Result<Token> expect_word() {
    if (peek().kind != Token::Kind::kWord) return unexpected();
    return take();
  }

  Result<std::uint64_t> expect_integer(std::uint64_t most) {
    if (peek().kind != Token::Kind::kInteger) return unexpected();
    if (peek().bits > most) return error_at(peek().line, "Value out of range");
    return take().bits;
  }

  Result<Type> expect_type() {
    if (peek().kind != Token::Kind::kWord) return unexpected();
    const std::string_view word = peek().text;
    const Type type = word[0] == '.' ? type_named(word.substr(1)) : Type{};
    if (type.kind == Kind::kNone) {
      return error_at(peek().line, "Unknown type '" + peek().text + "'");
    }
    ++at_;
    return type;
  }

  /// Debug notes and pragmas, which change nothing: `.loc 1 2 3`.
  bool skip_note() {
    const std::string& text = peek().text;
    if (text == ".pragma") {
      while (peek().kind != Token::Kind::kEnd && !take_mark(';')) ++at_;
      return true;
    }
    if (text != ".loc" && text != ".file") return false;
    const std::uint32_t line = peek().line;
    while (peek().kind != Token::Kind::kEnd && peek().line == line) ++at_;
    return true;
  }

  Result<void> header() {
    if (!take_word(".version")) {
      return Error(
          ErrorCode::kInvalidArgument,
          error_at(peek().line, "Missing .version directive at start of file")
              .message());
    }
    // "4.0" reads as a float; PTX means two numbers.
    if (peek().kind != Token::Kind::kFloat) return unexpected();
    const double version = std::bit_cast<double>(take().bits);
    module_.version = static_cast<unsigned>(version * 10 + 0.5);
    if (module_.version > kNewestVersion) {
      return Error(ErrorCode::kUnsupported,
                   error_at(peek().line, "Unsupported .version").message());
    }
    if (!take_word(".target")) return unexpected();
    TRY(const Token target, expect_word());
    if (target.text.rfind("sm_", 0) != 0) {
      return error_at(target.line, "Unknown target '" + target.text + "'");
    }
    for (const char c : target.text.substr(3)) {
      if (c < '0' || c > '9') break;  // sm_90a
      module_.target = module_.target * 10 + static_cast<unsigned>(c - '0');
    }
    while (take_mark(',')) {
      TRY_VOID(expect_word());
    }
    if (take_word(".address_size")) {
      TRY(const std::uint64_t size, expect_integer(64));
      if (size != 64) return error_at(peek().line, "Address size is not 64");
    }
    return {};
  }

  Result<void> entry() {
    TRY(const Token name, expect_word());
    if (module_.kernels.count(name.text) != 0) {
      return error_at(name.line, "Duplicate definition of '" + name.text + "'");
    }
    kernel_ = Kernel();
    kernel_.name = name.text;
    kernel_.shared_bytes = module_shared_bytes_;
    scope_ = module_scope_;
    if (take_mark('(') && !take_mark(')')) {
      do {
        TRY_VOID(parameter());
      } while (take_mark(','));
      TRY_VOID(expect_mark(')'));
    }
    while (!take_mark('{')) TRY_VOID(performance_directive());
    while (!take_mark('}')) TRY_VOID(statement());
    Instruction end;
    end.opcode = Opcode::kRet;
    kernel_.code.push_back(end);
    TRY_VOID(resolve_jumps());
    module_.kernels.emplace(kernel_.name, std::move(kernel_));
    return {};
  }

  /// `.maxntid 256, 1, 1` and kin: hints.
  Result<void> performance_directive() {
    if (peek().kind != Token::Kind::kWord || peek().text[0] != '.') {
      return unexpected();
    }
    ++at_;
    if (peek().kind != Token::Kind::kInteger) return {};
    do {
      TRY_VOID(expect_integer(UINT32_MAX));
    } while (take_mark(','));
    return {};
  }

  Result<void> parameter() {
    if (!take_word(".param")) return unexpected();
    std::uint64_t alignment = 0;
    TRY_VOID(take_alignment(&alignment));
    TRY(const Type type, expect_type());
    // `.ptr .global .align 4` promises; nothing here rests on them.
    while (peek().text == ".ptr" || peek().text == ".global") ++at_;
    std::uint64_t pointer_alignment = 0;
    TRY_VOID(take_alignment(&pointer_alignment));
    Parameter parameter;
    TRY(const Token name, expect_word());
    parameter.name = name.text;
    TRY(const std::uint64_t count, array_length());
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
    if (!take_word(".align")) return {};
    TRY(*alignment, expect_integer(128));
    if (!std::has_single_bit(*alignment)) {
      return error_at(peek().line, "Alignment is not a power of two");
    }
    return {};
  }

  /// `[16]`, or 1 without brackets.
  Result<std::uint64_t> array_length() {
    if (!take_mark('[')) return std::uint64_t{1};
    TRY(const std::uint64_t length, expect_integer(kMostSharedBytes));
    TRY_VOID(expect_mark(']'));
    return length;
  }

  Result<void> shared_variable(Scope* scope, std::uint32_t* used) {
    ++at_;
    std::uint64_t alignment = 0;
    TRY_VOID(take_alignment(&alignment));
    TRY(const Type type, expect_type());
    TRY(const Token name, expect_word());
    TRY(const std::uint64_t count, array_length());
    if (alignment < type.bytes()) alignment = type.bytes();
    const std::uint64_t offset = align_up(*used, alignment);
    const std::uint64_t end = offset + count * type.bytes();
    if (end > kMostSharedBytes) {
      return error_at(name.line, "Too much shared data");
    }
    scope->shared[name.text] = static_cast<std::uint32_t>(offset);
    *used = static_cast<std::uint32_t>(end);
    return expect_mark(';');
  }

  Result<void> statement() {
    if (skip_note()) return {};
    if (peek().text == ".reg") return registers();
    if (peek().text == ".shared") {
      return shared_variable(&scope_, &kernel_.shared_bytes);
    }
    if (peek().kind == Token::Kind::kWord && is_label()) return label();
    return instruction();
  }

  bool is_label() const {
    const Token& next = tokens_[at_ + 1];  // The end token is never a word.
    return next.kind == Token::Kind::kPunctuation && next.text == ":";
  }

  Result<void> label() {
    const Token name = take();
    ++at_;
    const auto place = static_cast<std::uint32_t>(kernel_.code.size());
    if (!scope_.labels.emplace(name.text, place).second) {
      return error_at(name.line, "Duplicate definition of '" + name.text + "'");
    }
    return {};
  }

  Result<void> registers() {
    ++at_;
    TRY(const Type type, expect_type());
    do {
      TRY(const Token name, expect_word());
      if (!take_mark('<')) {
        TRY_VOID(declare(name.text, type, name.line));
        continue;
      }
      TRY(const std::uint64_t count, expect_integer(kMostRegisters));
      TRY_VOID(expect_mark('>'));
      for (std::uint64_t i = 0; i < count; ++i) {
        TRY_VOID(declare(name.text + std::to_string(i), type, name.line));
      }
    } while (take_mark(','));
    return expect_mark(';');
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

  Result<void> instruction() {
    std::uint32_t guard = Instruction::kUnguarded;
    bool is_negated = false;
    if (take_mark('@')) {
      is_negated = take_mark('!');
      TRY(const Token name, expect_word());
      TRY(const Register predicate, find_register(name));
      if (predicate.type.kind != Kind::kPredicate) {
        return error_at(name.line, "Guard is not a predicate");
      }
      guard = predicate.index;
    }
    TRY(const Token word, expect_word());
    TRY(Decoded decoded, decode(word.text, word.line));
    Instruction& parsed = decoded.instruction;
    parsed.guard = guard;
    parsed.is_guard_negated = is_negated;
    bool is_first = true;
    for (const OperandRule& rule : decoded.operands) {
      if (!std::exchange(is_first, false)) TRY_VOID(expect_mark(','));
      TRY_VOID(operand(rule, &parsed));
    }
    if (parsed.opcode == Opcode::kBar) kernel_.has_barrier = true;
    kernel_.code.push_back(parsed);
    return expect_mark(';');
  }

  Result<void> operand(const OperandRule& rule, Instruction* parsed) {
    switch (rule.role) {
      case Role::kDestination: {
        TRY(const Token name, expect_word());
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
        TRY(const Token name, expect_word());
        scope_.jumps.push_back({kernel_.code.size(), name.text, name.line});
        return {};
      }
      case Role::kBarrier:
        TRY_VOID(expect_integer(0));
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
    if (peek().kind != Token::Kind::kWord) return immediate(rule.type, operand);
    const Token name = take();
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
    const bool is_negative = take_mark('-');
    const Token token = take();
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
        --at_;
        return unexpected();
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
    TRY_VOID(expect_mark('['));
    Operand& operand = parsed->address;
    TRY(const Token name, expect_word());
    if (parsed->space == Space::kParam) {
      TRY_VOID(parameter_address(name, &operand));
    } else if (const auto shared = scope_.shared.find(name.text);
               shared != scope_.shared.end() &&
               parsed->space == Space::kShared) {
      operand.kind = Operand::Kind::kImmediate;
      operand.bits = shared->second;
    } else {
      TRY(const Register found, find_register(name));
      // Shared memory may be addressed with 32 bits.
      const bool is_short =
          parsed->space == Space::kShared && found.type.bits == 32;
      if (found.type.kind == Kind::kFloat ||
          (found.type.bits != 64 && !is_short)) {
        return mismatch(name.line);
      }
      operand.kind = Operand::Kind::kRegister;
      operand.index = found.index;
    }
    if (take_mark('+') || peek().text == "-") {
      const bool is_negative = take_mark('-');
      TRY(const std::uint64_t offset, expect_integer(INT32_MAX));
      operand.offset = static_cast<std::int64_t>(offset);
      if (is_negative) operand.offset = -operand.offset;
    }
    return expect_mark(']');
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

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
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
