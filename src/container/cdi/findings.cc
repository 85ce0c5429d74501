#include "container/cdi/findings.h"

#include <utility>

namespace gpunode::cdi {

FindingsSource source_for(const host::HostRoot& host,
                          const std::string& driver_root) {
  const bool is_own = driver_root.empty() || driver_root == "/";
  const host::HostRoot root =
      is_own ? host : host::HostRoot(host.outside(driver_root));
  FindingsSource source;
  source.driver.root = root;
  source.driver.host = host;
  source.devices.dev_root = root;
  source.devices.host = host;
  return source;
}

Findings find_all(const FindingsSource& source, device::Inventory inventory) {
  Findings found;
  DriverSearch driver = source.driver;
  driver.version = inventory.driver_version;
  found.driver = find_driver_files(driver);
  found.devices = find_device_files(source.devices, inventory);
  found.inventory = std::move(inventory);
  return found;
}

}  // namespace gpunode::cdi
