// Pains 1, 2, 3, 18 and 23 of docs/doctor.md: a kernel without a module.
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "node/diagnose/node_check.h"
#include "node/diagnose/pains.h"

namespace gpunode::diagnose {
namespace {

using facts::KernelImage;

std::string devel_package_of(const DoctorLook& look,
                             const std::string& release) {
  const facts::OsRelease& os = look.host.os;
  const auto row = look.distributions.find(os.id, os.version_id);
  return row ? distribution::devel_package(**row, release)
             : "the devel package of kernel " + release;
}

bool has_package(const DoctorLook& look, std::string_view beginning) {
  const auto found = look.host.packages.lower_bound(std::string(beginning));
  return found != look.host.packages.end() &&
         found->first.starts_with(beginning);
}

/// DKMS builds the modules here; elsewhere they come built.
bool builds_modules(const DoctorLook& look) {
  return !look.host.driver.dkms.empty() || !look.builds.empty() ||
         std::ranges::any_of(
             look.host.kernels.images, [](const KernelImage& image) {
               return image.module.path.find("/dkms/") != std::string::npos;
             });
}

/// A kernel that matters: it runs, or is next.
bool matters(const DoctorLook& look, const KernelImage& image) {
  return image.release == look.kernels.running ||
         image.release == look.kernels.next.release;
}

void check_devel(const DoctorLook& look, Findings& found) {
  // Where modules come built, nobody needs headers.
  if (!builds_modules(look)) return;
  for (const KernelImage& image : look.host.kernels.images) {
    if (image.has_devel || !matters(look, image)) continue;
    const bool has_module = !image.module.path.empty();
    Finding finding;
    finding.check = "kernel.headers";
    finding.what = fmt::format(
        "kernel {} has no headers: DKMS cannot build {} for it", image.release,
        has_module ? "the next driver" : "the driver's modules");
    finding.seen =
        image.devel_release.empty()
            ? fmt::format("/lib/modules/{}/build leads nowhere", image.release)
            : fmt::format("/lib/modules/{}/build is of {}", image.release,
                          image.devel_release);
    finding.why =
        "the distribution's plain headers package is of its newest kernel, and "
        "repositories drop older ones";
    finding.next =
        install_command(look, devel_package_of(look, image.release)) +
        fmt::format(" && dkms autoinstall -k {}", image.release);
    finding.severity = has_module ? Severity::kWarning : Severity::kBad;
    found.push_back(finding);
  }
}

struct BuildWords {
  std::string_view check;
  std::string_view because;
  std::string_view remedy;
};

BuildWords words_of(BuildFault fault) {
  switch (fault) {
    case BuildFault::kNoHeaders:
      return {"kernel.headers", "the kernel's headers are not there",
              "install the headers of exactly this kernel"};
    case BuildFault::kCompiler:
      return {"kernel.compiler",
              "the compiler is not one that this kernel takes",
              "install the compiler that CONFIG_CC_VERSION_TEXT of "
              "/boot/config-{kernel} names (Oracle's UEK: its gcc-toolset)"};
    case BuildFault::kNoSpace:
      return {"dkms.failed", "the disk was full",
              "make room in /var/lib/dkms, /tmp and /boot"};
    case BuildFault::kNone:
    case BuildFault::kError:
      break;
  }
  return {"dkms.failed", "the module does not compile for this kernel",
          "take a driver that knows this kernel, or start the kernel before"};
}

void check_builds(const DoctorLook& look, Findings& found) {
  for (const FailedBuild& build : look.builds) {
    // What lies there may be of long ago.
    if (build.has_module || build.verdict.kernel.empty()) continue;
    const std::string& kernel = build.verdict.kernel;
    const BuildWords words = words_of(build.verdict.fault);
    const bool runs = kernel == look.kernels.running;
    Finding finding;
    finding.check = std::string(words.check);
    finding.what =
        fmt::format("DKMS did not build NVIDIA's modules {} for kernel {}: {}",
                    build.version, kernel, words.because);
    finding.seen = build.verdict.line.empty()
                       ? build.path
                       : build.path + ": " + build.verdict.line;
    finding.why = "the package counts as installed all the same";
    std::string remedy(words.remedy);
    if (const auto at = remedy.find("{kernel}"); at != std::string::npos) {
      remedy.replace(at, 8, kernel);
    }
    finding.next = fmt::format(
        "{}, then `dkms autoinstall -k {}`; the log is "
        "{}",
        remedy, kernel, build.path);
    finding.severity = runs ? Severity::kBad : Severity::kWarning;
    found.push_back(finding);
  }
}

bool is_told(const Findings& found, const std::string& release) {
  return std::ranges::any_of(found, [&](const Finding& finding) {
    return finding.severity == Severity::kBad &&
           finding.what.find(release) != std::string::npos;
  });
}

/// Modules that come built lag behind kernels.
void name_precompiled(const DoctorLook& look, Finding& finding) {
  if (builds_modules(look) || !(has_package(look, "kmod-nvidia-") ||
                                has_package(look, "linux-modules-nvidia-"))) {
    return;
  }
  finding.check = "kernel.precompiled";
  finding.why =
      "modules that come built are made for each kernel by hand, and come some "
      "days after it";
}

void check_modules(const DoctorLook& look, Findings& found) {
  NodeLook node;
  node.kernels = look.kernels;
  for (CheckFinding& one : check_node(node, {})) {
    const bool is_running =
        look.kernels.running_module.empty() && !look.kernels.is_loaded;
    const std::string& release =
        is_running ? look.kernels.running : look.kernels.next.release;
    if (!release.empty() && is_told(found, release)) continue;
    Finding finding = std::move(one.finding);
    finding.check = "kernel.module";
    finding.severity = one.gravity == CheckFinding::Gravity::kBad
                           ? Severity::kBad
                           : Severity::kWarning;
    finding.seen = "/lib/modules/" +
                   (release.empty() ? std::string("*") : release) +
                   " has no nvidia.ko";
    finding.why =
        "a kernel came with an update, and nobody built or brought "
        "the module for it";
    name_precompiled(look, finding);
    found.push_back(std::move(finding));
  }
}

void check_other_kernel(const DoctorLook& look, Findings& found) {
  if (!running_driver_of(look.host).version.empty()) return;
  for (const LogMark& mark : look.kernel_log) {
    if (mark.sign != LogSign::kOtherKernel) continue;
    found.push_back({"kernel.magic",
                     "the module that was to be loaded is built for another "
                     "kernel",
                     "`dkms autoinstall -k $(uname -r)`, or the package of "
                     "modules for this kernel; then `modprobe nvidia`",
                     Severity::kBad, mark.line,
                     "a module fits exactly the kernel it is built for"});
  }
}

}  // namespace

Findings find_kernel_pains(const DoctorLook& look) {
  Findings found;
  check_devel(look, found);
  check_builds(look, found);
  check_modules(look, found);
  check_other_kernel(look, found);
  return found;
}

}  // namespace gpunode::diagnose
