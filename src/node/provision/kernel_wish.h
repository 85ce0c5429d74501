// From what the file says of kernels to what node/driver decides of them.
#pragma once

#include "node/driver/kernel_target.h"
#include "node/provision/node_spec.h"

namespace gpunode::provision {

driver::KernelWish make_kernel_wish(const KernelSpec& spec);

}  // namespace gpunode::provision
