// The file that `gpunode init` writes.
#pragma once

#include <string>

#include "node/facts/host_facts.h"

namespace gpunode::provision {

/// A GPUNode file for this host, with comments that say what may be changed. It
/// is valid, and what it asks for endangers nothing.
std::string first_spec(const facts::HostFacts& facts);

}  // namespace gpunode::provision
