#include "node/provision/kernel_wish.h"

namespace gpunode::provision {

driver::KernelWish make_kernel_wish(const KernelSpec& spec) {
  switch (spec.policy) {
    case KernelPolicy::kPinRunning:
      return {driver::KernelPolicy::kPinRunning, ""};
    case KernelPolicy::kExact:
      return {driver::KernelPolicy::kExact, spec.release};
    case KernelPolicy::kAdoptNewest:
      break;
  }
  return {};
}

}  // namespace gpunode::provision
