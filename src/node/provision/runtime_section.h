// spec.runtime, read.
#pragma once

#include "node/provision/runtime_spec.h"
#include "node/provision/spec_section.h"

namespace gpunode::provision {

void read_runtime(SpecSection section, RuntimeSpec& runtime);

}  // namespace gpunode::provision
