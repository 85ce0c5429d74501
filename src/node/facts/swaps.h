// /proc/swaps: what the kernel swaps to.
#pragma once

#include <string_view>
#include <vector>

#include "node/facts/host_facts.h"

namespace gpunode::facts {

/// Lines that are not of the table's form are passed over.
std::vector<SwapFacts> parse_swaps(std::string_view text);

}  // namespace gpunode::facts
