// Where a GPU is on the bus, in the two spellings that there are.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::device {

/// NVML's "00000000:00:1E.0" as sysfs spells it: "0000:00:1e.0".
std::string sysfs_bus_id(std::string_view nvml_bus_id);

}  // namespace gpunode::device
