#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/diagnose/pains.h"
#include "node/diagnose/verify_levels.h"

namespace gpunode::diagnose {
namespace {

using facts::KernelImage;
using facts::PciGpu;

VerifyCheck check_loaded(const RunningDriver& driver) {
  if (driver.version.empty()) {
    return {1, "module.loaded", Verdict::kFail,
            "the running kernel has no NVIDIA module in it",
            "`gpunode doctor` tells why; `modprobe nvidia` what the kernel "
            "says to it"};
  }
  return {1, "module.loaded", Verdict::kPass,
          fmt::format("nvidia {}{}", driver.version,
                      !driver.is_open   ? ""
                      : *driver.is_open ? ", open"
                                        : ", proprietary")};
}

VerifyCheck check_bound(const facts::HostFacts& host) {
  std::vector<std::string> others;
  for (const PciGpu& gpu : host.gpus) {
    // A virtual function is for virtual machines, and nvidia's to give.
    const bool is_virtual = !gpu.condition.physical_function.empty();
    if (gpu.is_switch || is_virtual || gpu.driver == "nvidia") continue;
    others.push_back(gpu.address + " " +
                     (gpu.driver.empty() ? "no driver" : gpu.driver));
  }
  if (others.empty()) {
    return {1, "module.bound", Verdict::kPass, "every GPU is with nvidia"};
  }
  return {1, "module.bound", Verdict::kFail,
          fmt::format("not with nvidia: {}", fmt::join(others, ", ")),
          "`gpunode doctor` tells why; what the driver said is in `journalctl "
          "-k -b -g NVRM`"};
}

/// The file that is loaded at the next boot of this kernel.
VerifyCheck check_file(const DoctorLook& look, const RunningDriver& driver) {
  const auto& images = look.host.kernels.images;
  const auto image = std::ranges::find(images, look.host.kernel.release,
                                       &KernelImage::release);
  if (image == images.end()) {
    return {1, "module.file", Verdict::kSkip,
            "the running kernel is none of this host's own"};
  }
  const facts::ModuleFile& file = image->module;
  const std::string& release = image->release;
  const std::string remedy = fmt::format(
      "`dkms autoinstall -k {}` or the package of modules for it", release);
  if (file.path.empty()) {
    return {1, "module.file", Verdict::kWarn,
            fmt::format("kernel {} has no nvidia module on disk: it is gone "
                        "after a reboot",
                        release),
            remedy};
  }
  if (!file.vermagic.empty() && !file.vermagic.starts_with(release + " ")) {
    return {1, "module.file", Verdict::kWarn,
            fmt::format("{} is built for {}", file.path, file.vermagic),
            remedy};
  }
  if (file.version.empty()) {
    return {1, "module.file", Verdict::kPass, file.path};
  }
  if (file.version != driver.version) {
    return {1, "module.file", Verdict::kWarn,
            fmt::format("{} is {}, and {} is loaded", file.path, file.version,
                        driver.version),
            "drain the node and reboot, so that all of the driver is of one "
            "release"};
  }
  return {1, "module.file", Verdict::kPass,
          fmt::format("{} is {}, for {}", file.path, file.version, release)};
}

VerifyCheck check_library(const RunningDriver& driver) {
  if (driver.library.empty()) {
    return {1, "module.library", Verdict::kSkip,
            "the libraries' version is not known without loading them"};
  }
  if (driver.library != driver.version) {
    return {1, "module.library", Verdict::kFail,
            fmt::format("the libraries are {}, the module is {}",
                        driver.library, driver.version),
            "drain the node; unload the modules and load them again, or "
            "reboot"};
  }
  return {1, "module.library", Verdict::kPass, "libraries of the same version"};
}

/// What was set on purpose, to be seen; nothing here is right or wrong.
VerifyCheck check_params(const facts::HostFacts& host) {
  const auto& params = host.driver.params;
  if (params.empty()) {
    return {1, "module.params", Verdict::kSkip,
            "/proc/driver/nvidia/params was not read"};
  }
  std::vector<std::string> words;
  for (const char* name :
       {"EnableGpuFirmware", "OpenRmEnableUnsupportedGpus",
        "NVreg_RestrictProfilingToAdminUsers", "EnableStreamMemOPs"}) {
    const auto found = params.find(name);
    if (found != params.end()) {
      words.push_back(fmt::format("{}={}", name, found->second));
    }
  }
  return {1, "module.params", Verdict::kPass,
          words.empty() ? "as the driver has them"
                        : fmt::format("{}", fmt::join(words, " "))};
}

VerifyCheck check_log(const DoctorLook& look) {
  if (look.kernel_log_source.empty() ||
      std::ranges::any_of(look.gaps, [](const std::string& gap) {
        return gap.starts_with("the kernel's log is not known");
      })) {
    return {1, "module.log", Verdict::kSkip, "the kernel's log is not known"};
  }
  // The driver works, and so what kept an earlier one out is past.
  Findings driver = find_driver_pains(look);
  std::erase_if(driver, [](const Finding& finding) {
    return !(
        finding.check.starts_with("gpu.") || finding.check == "driver.gsp" ||
        finding.check == "driver.flavour" || finding.check == "driver.branch");
  });
  if (driver.empty()) {
    return {1, "module.log", Verdict::kPass,
            look.kernel_log_source + ": no complaint of the driver's"};
  }
  const auto worst = std::max_element(driver.begin(), driver.end(),
                                      [](const Finding& a, const Finding& b) {
                                        return a.severity < b.severity;
                                      });
  const Verdict verdict = worst->severity == Severity::kBad ? Verdict::kFail
                          : worst->severity == Severity::kWarning
                              ? Verdict::kWarn
                              : Verdict::kPass;
  return {1, "module.log", verdict,
          fmt::format("{} ({})", worst->what, worst->seen),
          verdict == Verdict::kPass ? "" : worst->next};
}

}  // namespace

VerifyChecks verify_module(const DoctorLook& look) {
  const RunningDriver driver = running_driver_of(look.host);
  const VerifyCheck loaded = check_loaded(driver);
  if (loaded.verdict == Verdict::kFail) {
    VerifyChecks checks = skipped_level(1, "no module is loaded");
    checks[0] = loaded;
    return checks;
  }
  return {loaded,
          check_bound(look.host),
          check_file(look, driver),
          check_library(driver),
          check_params(look.host),
          check_log(look)};
}

}  // namespace gpunode::diagnose
