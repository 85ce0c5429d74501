// What a GPUNode file wishes of the driver, for the room that chooses it.
#pragma once

#include "node/driver/driver_choice.h"
#include "node/provision/node_spec.h"

namespace gpunode::provision {

/// Pure. A version without a branch wishes for its branch.
driver::Wish make_wish(const DriverSpec& spec);

/// Packages and services follow from these alike. IMEX is for racks of several
/// nodes on one NVLink, which nobody can see from one of them.
bool wants_fabric_manager(const DriverSpec& spec, const driver::Choice& choice);
bool wants_imex(const DriverSpec& spec);

}  // namespace gpunode::provision
