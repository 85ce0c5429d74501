// spec.distributions of a GPUNode file: what it says of the table's rows.
#pragma once

#include <vector>

#include "node/distribution/extension.h"
#include "node/provision/spec_section.h"

namespace gpunode::provision {

/// One entry. What is wrong goes to the section's problems, each with the place
/// of the key that it is about; takes the whole section.
void read_distribution(SpecSection section,
                       std::vector<distribution::Extension>& all);

}  // namespace gpunode::provision
