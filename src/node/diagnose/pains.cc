#include "node/diagnose/pains.h"

#include <algorithm>
#include <iterator>

namespace gpunode::diagnose {

Findings find_pains(const DoctorLook& look) {
  Findings all;
  for (const auto find :
       {find_driver_pains, find_kernel_pains, find_storage_pains,
        find_runtime_pains, find_repository_pains}) {
    Findings some = find(look);
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Finding& a, const Finding& b) {
                     return a.severity > b.severity;
                   });
  return all;
}

}  // namespace gpunode::diagnose
