// gpunode-runtime --help.
#pragma once

#include <string_view>

namespace gpunode::runtime {

/// True if `first`, the first argument, asks for our own help. Under a peer's
/// name the low-level runtime's is meant.
bool is_help(std::string_view program, std::string_view first);

/// False, and told, if it could not be written.
bool print_help();

}  // namespace gpunode::runtime
