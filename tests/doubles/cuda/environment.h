// What a test says to the double: environment variables, read at each cuInit
// (README.md has the list for people).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpu/abi/cuda.h"

namespace gpunode::fake_cuda {

/// `cuMemAlloc_v2:2@3`: the third call of cuMemAlloc_v2 gives result 2.
/// Without `@`, every call does.
struct PlannedFailure {
  std::string call;
  abi::CUresult result = abi::CUDA_ERROR_UNKNOWN;
  std::uint64_t nth = 0;  ///< 0: all of them.
};

struct Environment {
  std::string device_root = "/dev";  ///< GPUNODE_FAKE_DEV
  std::string profile;               ///< GPUNODE_FAKE_NVML; a path, or empty.
  std::optional<std::string> visible_devices;  ///< CUDA_VISIBLE_DEVICES
  std::vector<PlannedFailure> failures;        ///< GPUNODE_FAKE_CUDA_FAIL

  /// GPUNODE_FAKE_CUDA_MUTATE: pairs of text, replaced in each PTX module.
  std::vector<std::pair<std::string, std::string>> mutations;

  static Environment of_process();
};

/// `call:result[@nth]`, separated by commas. The result is a number or a name.
/// A piece that does not parse is dropped with a word on standard error.
std::vector<PlannedFailure> parse_failures(std::string_view text);

/// `from=to`, separated by semicolons.
std::vector<std::pair<std::string, std::string>> parse_mutations(
    std::string_view text);

}  // namespace gpunode::fake_cuda
