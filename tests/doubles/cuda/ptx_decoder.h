// One PTX opcode word, `mad.lo.u32`, into an Instruction without operands.
//
// A table says which modifiers and types each opcode takes. What is not in it
// is refused with a message, as the driver's compiler refuses nonsense; what
// is legal PTX but not known here is refused too and says so.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "tests/doubles/cuda/ptx_module.h"

namespace gpunode::fake_cuda::ptx {

/// What one place of an instruction's operand list must hold.
struct OperandRule {
  enum class Role : std::uint8_t {
    kDestination,
    kA,
    kB,
    kC,
    kAddress,  ///< In brackets.
    kTarget,   ///< A label.
    kBarrier,  ///< The number of a barrier; 0 is the only one known.
  };
  Role role = Role::kA;
  Type type;
  bool may_be_wider = false;  ///< ld, st and cvt take wider registers.
};

struct Decoded {
  Instruction instruction;
  std::vector<OperandRule> operands;  ///< In the order of the text.
};

/// `.u32` and kin; Kind::kNone if `word` (without the dot) is no type.
Type type_named(std::string_view word);

/// Whether a register declared `declared` may stand where `wanted` is due.
bool fits(Type declared, Type wanted, bool may_be_wider);

Result<Decoded> decode(std::string_view word, std::uint32_t line);

}  // namespace gpunode::fake_cuda::ptx
