// What is observed of kernels, of NVIDIA's driver and of Secure Boot, as
// values. Files tell it, and kmod's modinfo, asked once; no driver is needed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gpunode::facts {

/// NVIDIA's module for one kernel, as modinfo(8) reads it from its file.
struct ModuleFile {
  std::string path;      ///< "/lib/modules/K/extra/nvidia.ko.xz"; "": none.
  std::string version;   ///< "580.65.06"; "" where it could not be read.
  std::string vermagic;  ///< Begins with the kernel's release.
  std::string license;   ///< "NVIDIA", "Dual MIT/GPL": which flavour it is.
  std::string signer;    ///< Whose key signed it; "" if nobody's.
  friend bool operator==(const ModuleFile&, const ModuleFile&) = default;
};

/// A kernel that this host could boot: a directory of /lib/modules whose kernel
/// lies there or in /boot.
struct KernelImage {
  std::string release;
  /// What build/ leads to has a Makefile and is made for this release:
  /// include/config/kernel.release or generated/utsrelease.h says so.
  bool has_devel = false;
  /// What devel says of itself where it is another's: "5.14.0-1…"; "" if none.
  std::string devel_release;
  std::string compiler;  ///< CONFIG_CC_VERSION_TEXT; "" if not known.
  ModuleFile module;     ///< nvidia.
  friend bool operator==(const KernelImage&, const KernelImage&) = default;
};

struct KernelsFacts {
  std::vector<KernelImage> images;  ///< By release.
  /// The one that boots next; "" where it cannot be told.
  std::string next;
  std::string next_why;  ///< By what, or why not: next_kernel.h.
  friend bool operator==(const KernelsFacts&, const KernelsFacts&) = default;
};

/// What DKMS says of one source for one kernel: /var/lib/dkms/nvidia/V/K/ARCH.
struct DkmsBuild {
  std::string source;   ///< As DKMS calls it: "nvidia", "nvidia-open".
  std::string version;  ///< Of the source.
  std::string kernel;   ///< "" for a source that is added and not built.
  bool is_installed = false;
  friend bool operator==(const DkmsBuild&, const DkmsBuild&) = default;
};

struct DriverFacts {
  /// Of the module in the running kernel: /sys/module/nvidia/version.
  std::string loaded_version;  ///< "" where none is loaded.
  bool is_loaded_open = false;
  /// /sys/module/nvidia/refcnt; -1 where it is not known.
  int users = -1;
  std::map<std::string, std::string> params;  ///< /proc/driver/nvidia/params.
  int proc_gpus = 0;                          ///< /proc/driver/nvidia/gpus/*.
  std::string library;         ///< Version of libnvidia-ml.so.1's target; "".
  bool has_runfile = false;    ///< nvidia-uninstall, which no package has.
  bool has_container = false;  ///< A driver container (the GPU operator's).
  std::vector<DkmsBuild> dkms;
  /// Processes with one of /dev/nvidia* open: "python3 (4711)"; at most 8.
  std::vector<std::string> holders;
  friend bool operator==(const DriverFacts&, const DriverFacts&) = default;
};

enum class SecureBoot : std::uint8_t {
  kAbsent,  ///< No EFI, or no such variable.
  kOff,
  kOn,       ///< The firmware checks; the kernel takes signed modules alone.
  kUnknown,  ///< The variable is there and could not be read.
};

struct SecureBootFacts {
  SecureBoot state = SecureBoot::kAbsent;
  /// Modules must be signed: /sys/module/module/parameters/sig_enforce is Y, or
  /// lockdown is "integrity" or "confidentiality".
  bool enforces_signatures = false;
  std::string lockdown;  ///< "none", "integrity", …; "" where there is none.
  /// Of the key that DKMS signs modules with: a path; "" if there is none.
  std::string mok_certificate;
  /// Whether the firmware's loader hands that certificate to the kernel;
  /// nothing where it cannot be told.
  std::optional<bool> is_mok_enrolled;
  friend bool operator==(const SecureBootFacts&,
                         const SecureBootFacts&) = default;
};

}  // namespace gpunode::facts
