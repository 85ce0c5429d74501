// PTX text into tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::fake_cuda::ptx {

struct Token {
  enum class Kind : std::uint8_t {
    kWord,         ///< Names, directives, opcodes: `.reg`, `%tid.x`, `add.f32`.
    kInteger,      ///< `bits` holds it.
    kFloat,        ///< `bits` holds it, as a double.
    kFloatBits32,  ///< 0f3F800000
    kFloatBits64,  ///< 0d3FF0000000000000
    kString,
    kPunctuation,  ///< One character.
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  std::uint64_t bits = 0;
  std::uint32_t line = 0;
};

/// An error as NVIDIA's assembler words it, with the line.
Error error_at(std::uint32_t line, std::string_view message);

/// The last token is kEnd. Comments are dropped.
Result<std::vector<Token>> split(std::string_view text);

}  // namespace gpunode::fake_cuda::ptx
