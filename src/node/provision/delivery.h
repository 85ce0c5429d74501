// The GPUNode file on its way to many machines: in the forms that their first
// boot, or a person's tool, takes. Pure.
#pragma once

#include <string>

#include "base/core/result.h"

namespace gpunode::provision {

struct Delivery {
  std::string spec;  ///< The GPUNode file's text; base64 where its form allows.
  /// Where machines fetch `gpunode` from at their first boot, "https://…"; ""
  /// where it is in their image as /usr/bin/gpunode.
  std::string program_url = {};
  std::string program_sha256 = {};  ///< 64 hex digits; with a URL.
  /// The file has gpunode-runtime installed, out of the directory that gpunode
  /// lies in.
  bool needs_runtime = false;
  /// Where gpunode is on machines; "": as program_url says.
  std::string program_path = {};
};

/// The unit that first_boot_unit() is, and where it lies.
inline constexpr const char* kFirstUnit = "gpunode-first.service";
inline constexpr const char* kFirstUnitPath =
    "/etc/systemd/system/gpunode-first.service";
/// The one that goes on with a run after a reboot.
inline constexpr const char* kResumeUnit = "gpunode-resume.service";
/// There once a run has ended well: until then each boot tries.
inline constexpr const char* kFirstBootStamp =
    "/var/lib/gpunode/first-boot-done";

/// kInvalidArgument: a URL that is not https, or one without a digest, or a
/// digest that is none: what is fetched and run as root must be what was meant.
/// The same where it would not be enough.
Result<void> check_delivery(const Delivery& delivery);

/// gpunode-first.service: fetches the program if it is to, proves it, applies
/// the file without asking. At each boot until that has ended well once. Each
/// command is a process of its own, without a shell.
std::string first_boot_unit(const Delivery& delivery);

/// #cloud-config for user data, of cloud-init 18 and later.
std::string cloud_config(const Delivery& delivery);

/// Ignition 3.3 (Fedora CoreOS and its kin), on one line.
std::string ignition_config(const Delivery& delivery);

/// An Ansible playbook of modules that ansible-core itself has.
std::string ansible_playbook(const Delivery& delivery);

}  // namespace gpunode::provision
