// A PTX module after parsing: kernels as flat lists of decoded instructions.
//
// PTX is the virtual instruction set of NVIDIA GPUs ("Parallel Thread
// Execution ISA"). Everything a thread needs at run time is an index here:
// registers, branch targets and parameter offsets are resolved by the parser.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gpunode::fake_cuda::ptx {

/// A fundamental type, `.u32`: what its bits mean and how many there are.
struct Type {
  enum class Kind : std::uint8_t {
    kNone,
    kPredicate,
    kBits,
    kUnsigned,
    kSigned,
    kFloat,
  };
  Kind kind = Kind::kNone;
  std::uint8_t bits = 0;

  std::uint32_t bytes() const { return bits / 8U; }
  bool operator==(const Type&) const = default;
};

enum class Opcode : std::uint8_t {
  kAdd,
  kSub,
  kMul,
  kMad,
  kFma,
  kDiv,
  kRem,
  kMin,
  kMax,
  kAbs,
  kNeg,
  kAnd,
  kOr,
  kXor,
  kNot,
  kShl,
  kShr,
  kSqrt,
  kRcp,
  kMov,
  kCvt,
  kCvta,
  kSelp,
  kSetp,
  kLd,
  kSt,
  kAtom,
  kBra,
  kBar,
  kFence,
  kRet,
  kTrap,
};

/// Which half of an integer product is kept.
enum class Product : std::uint8_t { kNone, kLow, kHigh, kWide };

enum class Space : std::uint8_t { kGeneric, kGlobal, kParam, kShared };

enum class Compare : std::uint8_t {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  // True if either side is a NaN, too; floats only.
  kEqu,
  kNeu,
  kLtu,
  kLeu,
  kGtu,
  kGeu,
  kNum,  ///< Neither side is a NaN.
  kNan,  ///< Either side is.
};

/// How a float becomes a whole number, or a narrower float.
enum class Rounding : std::uint8_t { kNearest, kZero, kDown, kUp };

enum class AtomicOp : std::uint8_t { kAdd, kExchange, kMin, kMax, kCas };

/// Registers that the hardware fills, in the order of a Thread's table.
enum class Special : std::uint8_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLaneid,
  kWarpid,
  kCount,
  // Read from the clock at each use, so outside the table.
  kClock = kCount,
  kClock64,
  kGlobaltimer,
};

struct Operand {
  enum class Kind : std::uint8_t { kNone, kRegister, kImmediate, kSpecial };
  Kind kind = Kind::kNone;
  std::uint32_t index = 0;  ///< Register number, or Special.
  std::uint64_t bits = 0;   ///< The immediate, in its instruction's type.
  std::int64_t offset = 0;  ///< Added to an address.
};

/// `a`, `b`, `c` are the sources in the order of the text. For ld, st and atom
/// `address` is the bracket; for bra `target` is an index into the kernel.
struct Instruction {
  static constexpr std::uint32_t kUnguarded = UINT32_MAX;

  Opcode opcode = Opcode::kRet;
  Type type;         ///< The instruction's; cvt's destination.
  Type source_type;  ///< cvt's source.
  Product product = Product::kNone;
  Space space = Space::kGeneric;
  Compare compare = Compare::kEq;
  Rounding rounding = Rounding::kNearest;
  bool is_rounding_to_integer = false;  ///< cvt.rni and kin.
  AtomicOp atomic = AtomicOp::kAdd;
  std::uint32_t guard = kUnguarded;  ///< Predicate register of @%p.
  bool is_guard_negated = false;
  Operand destination;
  std::uint8_t destination_bits = 0;  ///< As declared: ld and cvt may widen.
  Operand a, b, c;
  Operand address;
  std::uint32_t target = 0;
  std::uint32_t line = 0;  ///< In the PTX text, for messages.
};

struct Parameter {
  std::string name;
  std::uint32_t offset = 0;  ///< In the parameter block.
  std::uint32_t bytes = 0;
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  std::uint32_t parameter_bytes = 0;
  std::uint32_t register_count = 0;
  std::uint32_t shared_bytes = 0;
  bool has_barrier = false;
  std::vector<Instruction> code;  ///< Ends with a ret.
};

struct Module {
  unsigned version = 0;  ///< `.version 4.0` is 40.
  unsigned target = 0;   ///< `.target sm_50` is 50.
  std::map<std::string, Kernel> kernels;
};

}  // namespace gpunode::fake_cuda::ptx
