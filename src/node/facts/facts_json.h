// Facts as one JSON document: docs/formats/facts.md.
#pragma once

#include <string>

#include "node/facts/host_facts.h"

namespace gpunode::facts {

/// On one line, members in a fixed order: equal facts are equal bytes. What
/// wanted files contain is left out; their sizes are there.
std::string to_json(const HostFacts& facts);

}  // namespace gpunode::facts
