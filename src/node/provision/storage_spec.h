// The storage section of a GPUNode file.
#pragma once

#include <string>
#include <vector>

#include "node/provision/node_spec.h"
#include "node/provision/spec_section.h"

namespace gpunode::provision {

/// One entry of spec.storage; what is wrong in it goes to the section's
/// problems.
StorageSpec read_storage(SpecSection section);

/// What must hold among entries: ids, labels and mount points are there and
/// differ, no mount point is another's parent by mistake, and so on.
void check_storage(const std::vector<StorageSpec>& storage,
                   const std::string& file_name,
                   std::vector<std::string>& problems);

}  // namespace gpunode::provision
