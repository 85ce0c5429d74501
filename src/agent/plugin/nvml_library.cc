#include "agent/plugin/nvml_library.h"

#include "gpu/procfs/driver_library.h"

namespace gpunode::plugin {

Result<nvml::Library> open_nvml(const std::string& file,
                                const host::HostRoot& driver_root) {
  if (!file.empty()) return nvml::Library::open(file);
  const procfs::DriverLibrary found =
      procfs::find_driver_library(driver_root, nvml::kSoname);
  return nvml::Library::open(found.path, found.looked_in);
}

}  // namespace gpunode::plugin
