// The sections of a GPUNode file that are about kernel and driver.
#pragma once

#include <string>
#include <vector>

#include "node/provision/node_spec.h"
#include "node/provision/spec_section.h"

namespace gpunode::provision {

// What is wrong goes to the section's problems; each takes the whole section.

void read_kernel(SpecSection section, KernelSpec& kernel);
void read_gpu(SpecSection section, GpuSpec& gpu);
void read_driver(SpecSection section, DriverSpec& driver);
void read_cuda(SpecSection section, CudaSpec& cuda);

}  // namespace gpunode::provision
