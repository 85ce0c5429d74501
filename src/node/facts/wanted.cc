#include "node/facts/wanted.h"

namespace gpunode::facts {

void Wanted::add(const Wanted& other) {
  files.insert(other.files.begin(), other.files.end());
  trees.insert(other.trees.begin(), other.trees.end());
  units.insert(other.units.begin(), other.units.end());
  packages.insert(other.packages.begin(), other.packages.end());
  sysctls.insert(other.sysctls.begin(), other.sysctls.end());
  modules.insert(other.modules.begin(), other.modules.end());
  disk_contents = disk_contents || other.disk_contents;
}

}  // namespace gpunode::facts
