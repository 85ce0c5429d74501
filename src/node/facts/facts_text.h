// Facts as a person reads them.
#pragma once

#include <string>

#include "node/facts/host_facts.h"

namespace gpunode::facts {

/// Lines of what the host is, what stands in the way, and what is not known.
/// Texts that come from the host are made harmless for a terminal.
std::string describe(const HostFacts& facts);

/// The GPUs by product, for a heading: "1 NVIDIA A10G (10de:2237)". Empty if
/// there are none; switches do not count.
std::string describe_gpus_briefly(const HostFacts& facts);

}  // namespace gpunode::facts
