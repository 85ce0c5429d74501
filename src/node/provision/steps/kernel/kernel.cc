#include "node/provision/steps/kernel/kernel.h"

#include <array>

#include "node/provision/kernel_wish.h"

namespace gpunode::provision {
namespace {

// nova is what becomes of nouveau: nova_core is the PCI driver, its DRM part is
// called nova in its Kconfig and nova_drm by some who package it.
constexpr std::array<const char*, 4> kOthers = {"nouveau", "nova_core", "nova",
                                                "nova_drm"};

}  // namespace

driver::TargetKernel target_kernel(const PlanInput& input) {
  return driver::target_kernel(input.facts,
                               make_kernel_wish(input.spec.host.kernel));
}

std::string other_driver(const facts::HostFacts& host) {
  for (const char* name : kOthers) {
    const auto found = host.modules.find(name);
    if (found != host.modules.end()) return name;
    for (const facts::PciGpu& gpu : host.gpus) {
      if (gpu.driver == name) return name;
    }
  }
  return "";
}

void want_other_driver(facts::Wanted& wanted) {
  wanted.modules.insert(kOthers.begin(), kOthers.end());
}

}  // namespace gpunode::provision
