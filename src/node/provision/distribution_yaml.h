// Rows of distributions as a drop-in of a GPUNode file has them.
#pragma once

#include <string>

#include "node/provision/distribution_list.h"

namespace gpunode::provision {

/// A whole drop-in whose spec.distributions has the rows, each key of each:
/// read back (distribution_spec.h) it makes the same rows. A key's digits that
/// nobody knows are a comment, to be written in.
std::string distributions_yaml(const DistributionList& rows);

}  // namespace gpunode::provision
