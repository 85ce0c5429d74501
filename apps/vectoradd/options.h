// The command line of gpunode-vectoradd.
#pragma once

#include <cstdint>

namespace gpunode::vectoradd {

struct Options {
  enum class Action { kAdd, kHelp, kVersion, kRefuse };

  Action action = Action::kAdd;
  std::uint32_t elements = 50000;  ///< As the CUDA sample has it.
  int device = 0;                  ///< Among the GPUs that CUDA shows.

  /// For kRefuse: the argument that is wrong, and what would be right.
  const char* argument = nullptr;
  const char* expected = nullptr;
};

/// The most elements that are accepted: 12 bytes each on the GPU.
inline constexpr std::uint32_t kMostElements = 1'000'000'000;

/// Never fails: what cannot be understood gives Action::kRefuse. The pointers
/// in the answer are those of `arguments` or of constants.
Options parse_options(int count, const char* const* arguments);

const char* help_text();
const char* version_text();

}  // namespace gpunode::vectoradd
