// kernel.secureboot: a module that is going to be built may be loaded.
//
// Secure Boot is never switched off by us, and a key is enrolled by a person at
// the machine's console alone: that is what it is for.

#include <string>

#include <fmt/format.h>

#include "node/provision/distribution_row.h"
#include "node/provision/steps/driver/driver_request.h"
#include "node/provision/steps/kernel/kernel.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using facts::SecureBoot;

/// Ubuntu's and SUSE's own packages of the driver have modules that their own
/// keys signed, which the shim of each has in it.
bool has_signed_packages(const facts::OsRelease& os) {
  return os.id == "ubuntu" || os.is_like("suse") || os.is_like("sles");
}

/// Where a person sees the blue screen, and what if there is none.
std::string console_words(const facts::HostFacts& host) {
  if (host.machine.cloud.empty()) {
    return "at the machine's own console or its BMC's: no network is up by "
           "then";
  }
  return fmt::format(
      "at the cloud's serial console; if {} has none for this machine, use {}a "
      "machine without Secure Boot",
      host.machine.cloud,
      host.os.id == "ubuntu"
          ? "`source: distro`, whose modules Canonical signs, or "
          : "");
}

/// What `route: signed` leads to where modules are built here.
std::string signed_words(const facts::OsRelease& os) {
  if (os.id == "ubuntu") {
    return "say `source: distro` under spec.driver: the distribution's own "
           "modules are signed";
  }
  if (has_signed_packages(os)) {
    return "SUSE's signed modules (nvidia-open-driver-G06-signed-*) are none "
           "that gpunode installs: install them with zypper and say `source: "
           "preinstalled` under spec.driver; or say `route: mok` under "
           "spec.driver.secureBoot";
  }
  return "no signed modules are known for this distribution: say `route: mok` "
         "under spec.driver.secureBoot";
}

/// What makes and enrols a key, and where it is had.
std::string tools_words(const PlanInput& input) {
  const auto row = distribution_row(input);
  if (!row || row->row->dkms != "epel") return "install dkms and mokutil";
  return "install mokutil and, out of EPEL, which `gpunode apply --only "
         "prep.repositories` sets up, dkms";
}

StepPlan enrol(const PlanInput& input) {
  const facts::HostFacts& host = input.facts;
  const facts::SecureBootFacts& boot = host.secure_boot;
  const bool is_shim_signed = host.os.is_like("ubuntu");
  const bool has_key = !boot.mok_certificate.empty();
  std::string make;
  std::string path = boot.mok_certificate;
  if (!has_key) {
    path = is_shim_signed ? "/var/lib/shim-signed/mok/MOK.der"
                          : "/var/lib/dkms/mok.pub";
    make = fmt::format("{}, `{}`, ", tools_words(input),
                       is_shim_signed ? "update-secureboot-policy --new-key"
                                      : "dkms generate_mok");
  }
  return StepPlan::blocked(
      has_key ? fmt::format("Secure Boot is on, and {}, the key that DKMS "
                            "signs modules with, is not enrolled",
                            path)
              : "Secure Boot is on, and this machine has no key yet that DKMS "
                "could sign modules with",
      fmt::format(
          "{}`mokutil --import {}` (asks for a password that is needed once), "
          "reboot, and at the blue screen \"Perform MOK management\" within "
          "ten seconds: Enroll MOK, Continue, Yes, that password, Reboot; {}. "
          "Then apply again",
          make, path, console_words(host)));
}

/// NVIDIA's own key is in no shim (NVIDIA/yum-packaging-precompiled-kmod, its
/// UEFI.md and issue 67: the signer is "NVIDIA"). Whether it is enrolled cannot
/// be told without its certificate: the owner's word counts.
StepPlan enrol_makers(const PlanInput& input) {
  const facts::HostFacts& host = input.facts;
  StepPlan plan;
  if (input.spec.driver.secure_boot == SecureBootRoute::kSigned) {
    plan.notes.emplace_back(
        "`route: signed`: that the key of who built the modules is enrolled is "
        "the owner's word; `mokutil --list-enrolled` shows it");
    return plan;
  }
  if (host.os.is_like("suse") || host.os.is_like("sles")) {
    return StepPlan::blocked(
        "Secure Boot is on, and whose key signs NVIDIA's KMPs is not known to "
        "gpunode",
        "enrol that key with `mokutil --import`, then say `secureBoot: {route: "
        "signed}` under spec.driver; or say `source: nvidia-cuda-repo`");
  }
  return StepPlan::blocked(
      "Secure Boot is on, and NVIDIA signed the modules with its own key, "
      "which only a person can enrol",
      fmt::format(
          "fetch NVIDIA2019-public_key.der from the directory of NVIDIA's "
          "repository that the packages come from, `mokutil --import "
          "NVIDIA2019-public_key.der` (asks for a password that is needed "
          "once), reboot, and at the blue screen \"Perform MOK management\" "
          "within ten seconds: Enroll MOK, Continue, Yes, that password, "
          "Reboot; {}. Then say `secureBoot: {{route: signed}}` under "
          "spec.driver and apply again",
          console_words(host)));
}

/// The wanted module runs already, signed by a key that this kernel took, in
/// the kernel that stays: nothing is built, and so nothing is to be enrolled.
bool runs_signed(const PlanInput& input) {
  const facts::HostFacts& host = input.facts;
  const driver::TargetKernel target = target_kernel(input);
  if (host.driver.loaded_version.empty() || !target.is_settled() ||
      !target.is_running) {
    return false;
  }
  const facts::KernelImage* image = driver::image_of(host, target.release);
  if (image == nullptr || image->module.signer.empty() ||
      image->module.version != host.driver.loaded_version) {
    return false;
  }
  StepPlan ignored;
  const auto choice = requested_driver(input, ignored);
  return choice && is_of(*choice, host.driver.loaded_version) &&
         (choice->flavour == driver::Flavour::kOpen) ==
             host.driver.is_loaded_open;
}

StepPlan secure_plan(const PlanInput& input) {
  const facts::HostFacts& host = input.facts;
  const facts::SecureBootFacts& boot = host.secure_boot;
  const DriverSpec& spec = input.spec.driver;
  StepPlan plan;
  if (boot.state != SecureBoot::kOn && !boot.enforces_signatures) {
    if (boot.state == SecureBoot::kUnknown) {
      plan.notes.emplace_back(
          "whether Secure Boot is on could not be read (is efivarfs mounted?); "
          "the kernel asks for no signatures");
    }
    return plan;
  }
  if (spec.source == DriverSource::kPreinstalled || runs_signed(input)) {
    return plan;
  }
  const bool is_signed = spec.source == DriverSource::kDistribution &&
                         has_signed_packages(host.os);
  if (is_signed && spec.secure_boot != SecureBootRoute::kMok) return plan;
  const bool is_makers = spec.source == DriverSource::kPrecompiled;
  if (spec.secure_boot == SecureBootRoute::kSigned && !is_makers) {
    return StepPlan::blocked(
        "Secure Boot asks for signed modules, and those that are planned are "
        "built here",
        signed_words(host.os));
  }
  if (boot.state == SecureBoot::kAbsent || boot.state == SecureBoot::kOff) {
    return StepPlan::blocked(
        fmt::format("the kernel takes signed modules alone ({}), and without "
                    "Secure Boot there is nowhere to enrol a key",
                    boot.lockdown.empty() || boot.lockdown == "none"
                        ? std::string("module.sig_enforce")
                        : "lockdown=" + boot.lockdown),
        "take `module.sig_enforce=1` or `lockdown=` off the kernel's command "
        "line, or use a distribution's signed modules");
  }
  if (is_makers) return enrol_makers(input);
  if (boot.is_mok_enrolled == true) return plan;
  if (!boot.is_mok_enrolled && !boot.mok_certificate.empty()) {
    plan.notes.push_back(fmt::format(
        "whether {} is enrolled cannot be told from here: `mokutil --test-key "
        "{}` does",
        boot.mok_certificate, boot.mok_certificate));
    return plan;
  }
  return enrol(input);
}

class SecureBootStep final : public Step {
 public:
  std::string_view id() const override { return "kernel.secureboot"; }
  std::string_view title() const override {
    return "the kernel takes the driver's modules";
  }
  std::string_view reason() const override {
    return "with Secure Boot a module is loaded only if a key signed it that "
           "the firmware's owner trusts";
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    if (spec.driver.is_wanted) return driver_wants();
    return {};
  }

  StepPlan plan(const PlanInput& input) const override {
    if (!input.spec.driver.is_wanted) {
      return StepPlan::not_wanted("spec.driver is not in the file");
    }
    return secure_plan(input);
  }
};

}  // namespace

std::unique_ptr<Step> make_kernel_secureboot() {
  return std::make_unique<SecureBootStep>();
}

}  // namespace gpunode::provision
