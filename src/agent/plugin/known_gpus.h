// GPUs that were there a moment ago.
#pragma once

#include "gpu/device/inventory.h"

namespace gpunode::plugin {

/// `current`, completed by the GPUs of `previous` that the driver still
/// counts but can no longer describe (Inventory::lost): they stay in the list,
/// so that the kubelet sees them turn unhealthy rather than disappear, and a
/// running Pod's ids stay known. A GPU that is neither described nor lost was
/// taken out, and is not kept. The result is in Index order; what was added
/// is reported in `lost` of the result, with its id.
device::Inventory keep_lost_gpus(device::Inventory current,
                                 const device::Inventory& previous);

}  // namespace gpunode::plugin
