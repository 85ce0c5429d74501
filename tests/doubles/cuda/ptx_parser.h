// PTX text into a Module.
//
// Known: entries with scalar and array parameters, registers, shared variables,
// and the instructions of ptx_decoder.cc. A text with anything else is refused
// with the line, in the words of NVIDIA's assembler where it has some.
#pragma once

#include <string_view>

#include "base/core/result.h"
#include "tests/doubles/cuda/ptx_module.h"

namespace gpunode::fake_cuda::ptx {

/// The newest `.version` that the double compiles, as 10 * major + minor.
inline constexpr unsigned kNewestVersion = 90;

/// Fails with kInvalidArgument if the text is no PTX at all, kUnsupported if
/// its version is newer than kNewestVersion, kCorrupt if something in it is
/// wrong.
Result<Module> parse(std::string_view text);

}  // namespace gpunode::fake_cuda::ptx
