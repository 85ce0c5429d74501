#include "node/facts/wanted.h"

#include <algorithm>

namespace gpunode::facts {

void Wanted::add(const Wanted& other) {
  files.insert(other.files.begin(), other.files.end());
  trees.insert(other.trees.begin(), other.trees.end());
  units.insert(other.units.begin(), other.units.end());
  packages.insert(other.packages.begin(), other.packages.end());
  sysctls.insert(other.sysctls.begin(), other.sysctls.end());
  modules.insert(other.modules.begin(), other.modules.end());
  for (const DiskFilter& filter : other.disks) {
    // Several Steps want the disks of one entry.
    if (std::ranges::find(disks, filter) == disks.end()) {
      disks.push_back(filter);
    }
  }
}

}  // namespace gpunode::facts
