#include "node/driver/kernel_target.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace gpunode::driver {
namespace {

TargetKernel blocked(std::string why, std::string fix) {
  TargetKernel target;
  target.blocked = std::move(why);
  target.fix = std::move(fix);
  return target;
}

TargetKernel settled(const facts::HostFacts& host, std::string release,
                     std::string why) {
  TargetKernel target;
  target.is_running = release == host.kernel.release;
  target.is_installed = image_of(host, release) != nullptr;
  target.boots_next = release == host.kernels.next;
  target.release = std::move(release);
  target.why = std::move(why);
  return target;
}

/// A kernel without its modules boots into a machine without disks or network.
TargetKernel without_modules(const std::string& release, const char* which) {
  return blocked(
      fmt::format("{} kernel is {}, and this host has no /lib/modules/{} with "
                  "its kernel in /boot: it is half installed, or was removed",
                  which, release, release),
      "install it whole, or remove it, with the package manager; then plan "
      "again");
}

TargetKernel newest(const facts::HostFacts& host) {
  const facts::KernelsFacts& kernels = host.kernels;
  if (!kernels.next.empty()) {
    if (image_of(host, kernels.next) == nullptr) {
      return without_modules(kernels.next, "the next");
    }
    return settled(host, kernels.next, kernels.next_why);
  }
  // There is no other that could boot.
  if (kernels.images.size() == 1 &&
      kernels.images[0].release == host.kernel.release) {
    return settled(host, host.kernel.release, "the only kernel of this host");
  }
  return blocked(
      fmt::format("which kernel boots next cannot be told: {}",
                  kernels.next_why.empty() ? "the boot loader is not known"
                                           : kernels.next_why),
      "say it in the file: `kernel: {policy: exact, release: RELEASE}` or "
      "`policy: pinRunning` under spec.host");
}

TargetKernel running(const facts::HostFacts& host) {
  if (host.kernel.release.empty()) {
    return blocked("no kernel runs here, so that none can be pinned",
                   "use `policy: adoptNewest` or `exact` of spec.host.kernel");
  }
  if (image_of(host, host.kernel.release) == nullptr) {
    TargetKernel target = without_modules(host.kernel.release, "the running");
    target.fix =
        "reboot into an installed one, or use `policy: adoptNewest` of "
        "spec.host.kernel";
    return target;
  }
  return settled(host, host.kernel.release,
                 "the running one, as spec.host.kernel has it");
}

/// "x86_64" at the end of a release that names an architecture; else "".
std::string machine_in(const std::string& release) {
  for (const char* machine : {"x86_64", "aarch64", "ppc64le"}) {
    if (release.find(fmt::format(".{}", machine)) != std::string::npos) {
      return machine;
    }
  }
  return "";
}

TargetKernel exactly(const facts::HostFacts& host, const std::string& release) {
  const std::string machine = machine_in(release);
  if (!machine.empty() && machine != host.kernel.machine) {
    return blocked(
        fmt::format("spec.host.kernel.release {} is a kernel for {}, and this "
                    "host is {}",
                    release, machine, host.kernel.machine),
        "give the release of a kernel for this architecture");
  }
  return settled(host, release, "spec.host.kernel.release");
}

}  // namespace

const facts::KernelImage* image_of(const facts::HostFacts& host,
                                   const std::string& release) {
  const auto& images = host.kernels.images;
  const auto found =
      std::ranges::find(images, release, &facts::KernelImage::release);
  return found == images.end() ? nullptr : &*found;
}

TargetKernel target_kernel(const facts::HostFacts& host,
                           const KernelWish& wish) {
  switch (wish.policy) {
    case KernelPolicy::kPinRunning:
      return running(host);
    case KernelPolicy::kExact:
      return exactly(host, wish.release);
    case KernelPolicy::kAdoptNewest:
      break;
  }
  return newest(host);
}

}  // namespace gpunode::driver
