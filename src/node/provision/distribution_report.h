// The distributions for a person and for programs.
#pragma once

#include <string>

#include "base/console/page.h"
#include "node/provision/distribution_list.h"

namespace gpunode::provision {

/// One line a row, and below them what is refused, and why.
console::Page distributions_page(const DistributionList& rows);

/// All that is known of one.
console::Page distribution_page(const ListedDistribution& listed);

/// One line with one object; docs/formats/distributions.md.
std::string distributions_json(const DistributionList& rows);

}  // namespace gpunode::provision
