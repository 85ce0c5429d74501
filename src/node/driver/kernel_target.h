// Which kernel the driver is built for.
//
// Settled before anything is built: a module for the kernel that runs is gone
// after the next boot, if that starts another one. Pure; next_kernel.h says
// which one boots.
#pragma once

#include <cstdint>
#include <string>

#include "node/facts/host_facts.h"

namespace gpunode::driver {

enum class KernelPolicy : std::uint8_t {
  kAdoptNewest,  ///< The one that boots next.
  kPinRunning,   ///< The one that runs, which is to stay.
  kExact,        ///< KernelWish::release.
};

/// What the owner of the host asks for.
struct KernelWish {
  KernelPolicy policy = KernelPolicy::kAdoptNewest;
  std::string release = {};  ///< Of kExact: as `uname -r` will say.
};

struct TargetKernel {
  std::string release;  ///< As `uname -r` will say; "" where it is not settled.
  bool is_running = false;
  bool is_installed = false;  ///< Among HostFacts::kernels.images.
  bool boots_next = false;
  std::string why;      ///< By what it is settled: "the newest kernel, …".
  std::string blocked;  ///< Why it is not settled; else "".
  std::string fix;      ///< What to do about that.

  bool is_settled() const { return blocked.empty(); }
};

/// Needs facts that were wanted with Wanted::driver.
TargetKernel target_kernel(const facts::HostFacts& host,
                           const KernelWish& wish);

/// The image of `release`; null if there is none. Valid as long as `host`.
const facts::KernelImage* image_of(const facts::HostFacts& host,
                                   const std::string& release);

}  // namespace gpunode::driver
