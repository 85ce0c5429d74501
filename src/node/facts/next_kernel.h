// Which kernel the machine boots next, and whether it has NVIDIA's module.
//
// A kernel that came with an update runs only after a reboot; one for which
// nobody has built the module makes a node without GPUs of it. Files alone tell
// it: GRUB's environment block, the Boot Loader Specification's entries and
// what lies in /boot.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/host_root.h"

namespace gpunode::facts {

struct NextKernel {
  std::string release;  ///< As `uname -r` will say; empty: not known.
  /// By what it is known, or why not: "the newest in /boot".
  std::string why;

  friend bool operator==(const NextKernel&, const NextKernel&) = default;
};

/// What is known of a boot loader's choice.
struct BootChoice {
  /// Kernels that are there, in any order: of entries, or of /boot.
  std::vector<std::string> releases;
  std::string next_entry;   ///< grubenv: once, by grub-reboot.
  std::string saved_entry;  ///< grubenv: until told otherwise.
  /// GRUB_DEFAULT of /etc/default/grub; empty: not given, which is "0".
  std::string default_entry;
};

/// Pure. An entry is an id, a title or a menu's path, and means the kernel
/// whose release stands in it; of one that is gone GRUB starts the first, which
/// is the newest. A place in the menu ("1>2") or a rescue system tells nothing.
NextKernel next_kernel_of(const BootChoice& choice);

/// Reads BootChoice below `host`.
BootChoice read_boot_choice(const host::HostRoot& host);

/// The value of `key` in a grubenv; nothing if it has none or is no grubenv.
std::optional<std::string> grub_variable(std::string_view grubenv,
                                         std::string_view key);

/// Whether `a` is older than `b` as package managers and GRUB compare: runs of
/// digits by value, "~" before everything, a longer text after its beginning.
bool is_older_release(std::string_view a, std::string_view b);

/// Whether `text` can be a kernel's release: a name that can stand between two
/// slashes of a path and means itself.
bool is_release(std::string_view text);

/// The file of NVIDIA's module for the kernel `release`, whoever put it there:
/// DKMS, a package of modules built before, weak-updates. Empty: there is none;
/// an empty file, as a power cut leaves one, is none.
std::string nvidia_module_of(const host::HostRoot& host,
                             const std::string& release);

/// The kernel of now and the next one, each with NVIDIA's module or without.
struct KernelModules {
  std::string running;         ///< Its release; empty where none runs.
  std::string running_module;  ///< As of nvidia_module_of().
  bool is_loaded = false;      ///< The running kernel has the module in it.
  NextKernel next;
  std::string next_module;
  /// Where the running kernel has none: the newest other one that has, which
  /// proves that a driver is meant to be here.
  std::string other_with_module;
  /// Where `next` is not known: the kernels of /boot that have none.
  std::vector<std::string> without_module;
  /// The module in the running kernel is of a driver container (the GPU
  /// operator's), which brings one to whatever kernel starts.
  bool is_of_container = false;
};

/// Reads below `host`.
KernelModules look_at_kernel_modules(const host::HostRoot& host);

}  // namespace gpunode::facts
