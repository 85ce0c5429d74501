#include "node/distribution/driver_packages.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/core/ascii.h"
#include "node/distribution/precompiled.h"

namespace gpunode::distribution {
namespace {

// Driver Installation Guide, r620: "Proprietary kernel modules removed".
constexpr int kLastProprietary = 615;
// The first release of open-gpu-kernel-modules.
constexpr int kFirstOpen = 515;
// "Recent Updates": from 590 on Ubuntu's packages have no branch in their
// names.
constexpr int kFirstWithoutBranch = 590;
// "Compute-only and Desktop Installation": since 560.
constexpr int kFirstComputeOnly = 560;
// SUSE's generation G07 in NVIDIA's repository (SUSE's image recipes,
// bci_build, have 590 under that name).
constexpr int kFirstG07 = 590;
// The same recipes: ready-made modules (KMP) end with 570 in NVIDIA's
// repository; 575 and 580 are built by DKMS.
constexpr int kLastKmp = 570;
// Companions lost the branch in their names with 580 (gpu-driver-container,
// amazon-eks-ami); until 459 the fabric manager of rpm had one, too
// (cuda-repo-management, genmodules.py).
constexpr int kFirstPlainCompanions = 580;
constexpr int kFirstPlainFabricManager = 460;
// Ubuntu's repository has the daemon in nvidia-compute-utils-BRANCH until 560;
// 570 is the first branch with a package nvidia-persistenced of its version.
constexpr int kFirstPersistenced = 570;
constexpr int kFirstNvsdm = 560;
constexpr int kFirstNvlsm = 570;

Error refuse(std::string words) {
  return {ErrorCode::kUnsupported, std::move(words)};
}

/// RHEL 8 and later, Amazon Linux 2023, Fedora. The userspace is one package
/// for both flavours; the module's has a name of its own.
DriverPackages rpms(Family family, bool is_open, const std::string& branch,
                    Profile profile) {
  DriverPackages driver;
  if (family == Family::kModular) {
    driver.stream = branch + (is_open ? "-open" : "-dkms");
  }
  driver.module = is_open ? "kmod-nvidia-open-dkms" : "kmod-nvidia-latest-dkms";
  driver.rivals = {is_open ? "kmod-nvidia-latest-dkms"
                           : "kmod-nvidia-open-dkms"};
  driver.packages = {"nvidia-driver-cuda", driver.module};
  if (profile == Profile::kFull) {
    driver.packages.insert(driver.packages.begin(), "nvidia-driver");
  }
  return driver;
}

DriverPackages ubuntu(bool is_open, int branch, Profile profile) {
  DriverPackages driver;
  const bool has_branch = branch < kFirstWithoutBranch;
  const std::string suffix = has_branch ? "-" + std::to_string(branch) : "";
  const std::string dkms = "nvidia-dkms" + suffix;
  driver.module = dkms + (is_open ? "-open" : "");
  driver.rivals = {dkms + (is_open ? "" : "-open")};
  driver.packages = {"libnvidia-compute" + suffix, driver.module};
  // nvidia-smi; from 590 on it is in libnvidia-compute.
  if (has_branch) driver.packages.push_back("nvidia-utils" + suffix);
  if (profile == Profile::kFull) {
    driver.packages.push_back("nvidia-driver" + suffix +
                              (has_branch && is_open ? "-open" : ""));
  }
  return driver;
}

DriverPackages debian(bool is_open, int branch, Profile profile) {
  DriverPackages driver;
  driver.module = is_open ? "nvidia-kernel-open-dkms" : "nvidia-kernel-dkms";
  driver.rivals = {is_open ? "nvidia-kernel-dkms" : "nvidia-kernel-open-dkms"};
  if (branch < kFirstComputeOnly) {
    // By Debian's own names; the display's does not bring CUDA along.
    driver.packages = {"libcuda1", "nvidia-smi", driver.module,
                       "nvidia-driver"};
    return driver;
  }
  driver.packages = {"nvidia-driver-cuda", driver.module};
  if (profile == Profile::kFull) driver.packages.emplace_back("nvidia-driver");
  return driver;
}

/// A kernel of a flavour of its own (azure, 64kb, longterm) has its own signed
/// package; DKMS's builds for all.
DriverPackages suse(bool is_open, int branch, Profile profile) {
  const std::string g = branch < kFirstG07 ? "G06" : "G07";
  DriverPackages driver;
  const std::string open = "nvidia-open-driver-" + g;
  const std::string closed = "nvidia-driver-" + g;
  const std::string kmp = branch <= kLastKmp ? "-kmp-default" : "";
  driver.module = (is_open ? open : closed) + kmp;
  driver.rivals = {(is_open ? closed : open) + kmp,
                   open + "-signed-cuda-kmp-default"};
  driver.packages = {driver.module, "nvidia-compute-utils-" + g};
  if (profile == Profile::kFull) {
    driver.packages.insert(driver.packages.end(),
                           {"nvidia-gl-" + g, "nvidia-video-" + g});
  }
  return driver;
}

DriverPackages rhel7(const std::string& branch, Profile profile) {
  DriverPackages driver;
  const std::string name = "nvidia-driver-branch-" + branch;
  driver.module = "kmod-nvidia-latest-dkms";
  driver.packages = {name + "-cuda", driver.module};
  if (profile == Profile::kFull) {
    driver.packages.insert(driver.packages.begin(), name);
  }
  return driver;
}

bool is_deb(Family family) {
  return family == Family::kUbuntu || family == Family::kDebian;
}

std::string fabric_manager(Family family, int branch) {
  const std::string suffix = "-" + std::to_string(branch);
  if (branch >= kFirstPlainCompanions || family == Family::kSuse) {
    return "nvidia-fabricmanager";
  }
  if (is_deb(family) || branch < kFirstPlainFabricManager) {
    return "nvidia-fabricmanager" + suffix;
  }
  return "nvidia-fabric-manager";
}

std::string persistence_daemon(Family family, int branch) {
  if (family == Family::kUbuntu && branch < kFirstPersistenced) {
    return "nvidia-compute-utils-" + std::to_string(branch);
  }
  return "nvidia-persistenced";
}

void add_subnet_manager(Family family, int branch, bool is_x86,
                        const std::string& suffix, Companions& all) {
  if (branch < kFirstNvlsm) return;
  all.any.emplace_back("nvlsm");
  all.any.emplace_back("infiniband-diags");
  if (is_deb(family)) {
    all.any.emplace_back("libibumad3");
  } else if (family != Family::kSuse) {
    all.any.emplace_back("libibumad");
  }
  if (branch >= kFirstNvsdm && is_x86) all.same.push_back("libnvsdm" + suffix);
}

}  // namespace

Result<DriverPackages> driver_packages(Family family, Flavour flavour,
                                       int branch, Profile profile) {
  const bool is_open = flavour == Flavour::kOpen;
  const std::string name = std::to_string(branch);
  if (!is_open && branch > kLastProprietary) {
    return refuse("branch " + name +
                  " has no proprietary modules: they end with 615; take "
                  "branch 580 for a GPU that needs them");
  }
  if (is_open && branch < kFirstOpen) {
    return refuse("branch " + name + " has no open modules: they begin with " +
                  std::to_string(kFirstOpen));
  }
  if (family == Family::kRhel7) {
    if (is_open) return refuse("RHEL 7's repository has no open modules");
    return rhel7(name, profile);
  }
  if (profile == Profile::kCompute && !has_compute_packages(family, branch)) {
    return refuse("branch " + name +
                  " has no packages without a display's, they begin with 560: "
                  "say `profile: full`");
  }
  switch (family) {
    case Family::kUbuntu:
      return ubuntu(is_open, branch, profile);
    case Family::kDebian:
      return debian(is_open, branch, profile);
    case Family::kSuse:
      return suse(is_open, branch, profile);
    default:
      return rpms(family, is_open, name, profile);
  }
}

bool has_compute_packages(Family family, int branch) {
  return branch >= kFirstComputeOnly || family == Family::kUbuntu ||
         family == Family::kSuse || family == Family::kRhel7;
}

Companions companions(Family family, int branch, const CompanionWish& wish,
                      std::string_view machine) {
  Companions all;
  const std::string suffix = branch < kFirstPlainCompanions
                                 ? "-" + std::to_string(branch)
                                 : std::string();
  const bool is_x86 = machine == "x86_64";
  // RHEL 7's driver brings it along.
  if (wish.persistence && family != Family::kRhel7) {
    all.same.push_back(persistence_daemon(family, branch));
  }
  if (wish.fabric_manager) {
    all.same.push_back(fabric_manager(family, branch));
    // What asks NVSwitches how they are: DCGM. SUSE's name is not known.
    if (family != Family::kSuse) all.same.push_back("libnvidia-nscq" + suffix);
  }
  if (wish.subnet_manager) {
    add_subnet_manager(family, branch, is_x86, suffix, all);
  }
  if (wish.imex && branch >= kFirstImexBranch) {
    all.same.push_back("nvidia-imex" + suffix);
  }
  return all;
}

std::span<const std::string_view> driver_patterns() {
  // Containers' toolkit (nvidia-container-*, libnvidia-container*) is another
  // thing; it depends on no version of the driver, and never goes with it.
  static constexpr auto kPatterns =
      std::to_array<std::string_view>({"nvidia-driver*",
                                       "nvidia-kernel*",
                                       "nvidia-kmod*",
                                       "nvidia-dkms*",
                                       "nvidia-open*",
                                       "nvidia-utils*",
                                       "nvidia-compute*",
                                       "nvidia-persistenced",
                                       "nvidia-modprobe",
                                       "nvidia-settings",
                                       "nvidia-xconfig",
                                       "nvidia-firmware*",
                                       "nvidia-headless*",
                                       "nvidia-fabric*",
                                       "nvidia-imex*",
                                       "nvidia-libXNVCtrl*",
                                       "nvidia-gl-*",
                                       "nvidia-video-*",
                                       "nvidia-common*",
                                       "nvidia-alternative*",
                                       "nvidia-smi",
                                       "nvidia-egl*",
                                       "nvidia-vdpau*",
                                       "nvidia-vulkan*",
                                       "nvidia-legacy-check",
                                       "nvidia-modprobe-*",
                                       "nvidia-opencl*",
                                       "libnvidia-cfg*",
                                       "libnvidia-common*",
                                       "libnvidia-compute*",
                                       "libnvidia-decode*",
                                       "libnvidia-encode*",
                                       "libnvidia-extra*",
                                       "libnvidia-fbc*",
                                       "libnvidia-gl*",
                                       "libnvidia-gpucomp*",
                                       "libnvidia-ml*",
                                       "libnvidia-nscq*",
                                       "libnvidia-nvvm*",
                                       "libnvidia-pkcs11*",
                                       "libnvidia-ptxjit*",
                                       "libnvidia-api*",
                                       "libnvidia-allocator*",
                                       "libnvidia-eglcore*",
                                       "libnvidia-fatbin*",
                                       "libnvidia-glcore*",
                                       "libnvidia-glvkspirv*",
                                       "libnvidia-rtcore*",
                                       "libnvidia-sandbox*",
                                       "libnvsdm*",
                                       "libcuda1*",
                                       "libcudadebugger1*",
                                       "libnvcuvid1*",
                                       "libnvoptix1*",
                                       "kmod-nvidia-*",
                                       "cuda-drivers*",
                                       "cuda-compat*",
                                       "xserver-xorg-video-nvidia*",
                                       "firmware-nvidia-*"});
  return kPatterns;
}

bool is_of_driver(std::string_view package) {
  return std::ranges::any_of(driver_patterns(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return package == pattern;
    pattern.remove_suffix(1);
    return package.starts_with(pattern);
  });
}

bool is_of_another_branch(std::string_view package, int branch) {
  if (!is_of_driver(package)) return false;
  // Its kernel may have such a number, too.
  if (const auto kmod = parse_precompiled_kmod(package)) {
    return kmod->version.substr(0, kmod->version.find('.')) !=
           std::to_string(branch);
  }
  constexpr std::size_t kDigits = 3;
  while (true) {
    const std::size_t dash = package.find('-');
    if (dash == std::string_view::npos) return false;
    package.remove_prefix(dash + 1);
    const std::string_view part = package.substr(0, package.find('-'));
    if (part.size() != kDigits || !is_number(part)) continue;
    return part != std::to_string(branch);
  }
}

}  // namespace gpunode::distribution
