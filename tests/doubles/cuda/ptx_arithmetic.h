// What PTX instructions compute, value in and value out.
#pragma once

#include <cstdint>

#include "tests/doubles/cuda/ptx_module.h"

namespace gpunode::fake_cuda::ptx {

/// The source values of an instruction; each holds its type's bits low.
struct Values {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;
};

/// The destination's bits. For every opcode that neither
/// touches memory nor moves the program counter.
std::uint64_t compute(const Instruction& instruction, const Values& values);

/// What atom stores when `old` is there; `values.b` and `values.c` are its
/// operands.
std::uint64_t compute_atomic(const Instruction& instruction, std::uint64_t old,
                             const Values& values);

/// The low bits that `type` has, sign-extended if it is signed: what a wider
/// register gets from ld and cvt.
std::uint64_t widen(Type type, std::uint64_t bits);

}  // namespace gpunode::fake_cuda::ptx
