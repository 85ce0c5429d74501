// A distribution's packages of kernels, and of what modules are built with.
//
// Pure. Words are those of provision's InstallPackages: "name" or
// "name=version", so that the manager is asked for exactly one version.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/distribution/distribution.h"
#include "node/facts/host_facts.h"

namespace gpunode::driver {

/// The compiler that a kernel was built with.
struct Compiler {
  std::string name;  ///< "gcc", "gcc-12", "x86_64-linux-gnu-gcc-13", "clang".
  int major = 0;     ///< 0: not told.
  friend bool operator==(const Compiler&, const Compiler&) = default;
};

/// Of CONFIG_CC_VERSION_TEXT, or of what /proc/version says; an empty name
/// where it is neither gcc nor clang.
Compiler compiler_of(std::string_view version_text);

/// The package that modules for `release` are built with, in exactly that
/// version: never a newer one that happens to be there.
std::string devel_package(const distribution::Distribution& row,
                          const facts::HostFacts& host,
                          const std::string& release);

/// The kernel itself.
std::string kernel_package(const distribution::Distribution& row,
                           const std::string& release);

/// What else a build needs and `host` lacks: the compiler of `release`, make,
/// libelf, DKMS.
std::vector<std::string> missing_tools(const distribution::Distribution& row,
                                       const facts::HostFacts& host,
                                       const std::string& release);

/// What is missing so that each kernel that an update brings comes with what
/// its modules are built with. Only apt's kernels come without it: their
/// headers follow by a meta package of their own, "linux-headers-amd64" beside
/// "linux-image-amd64". The other managers update devel packages with kernels.
std::vector<std::string> missing_followers(
    const distribution::Distribution& row, const facts::HostFacts& host);

/// The package with those of the kernel's own modules for `release` that the
/// kernel's package leaves out where it is a cloud's: ib_umad, which NVSwitches
/// from NVLink 5 on are managed through, is among them. "" where the kernel has
/// all of its modules.
std::string extra_modules_package(const distribution::Distribution& row,
                                  const std::string& release);

/// The compiler to call for `release` where it is not the one named "gcc":
/// an absolute path, else "".
std::string compiler_path(const distribution::Distribution& row,
                          const facts::HostFacts& host,
                          const std::string& release);

/// Which of the installed packages would bring another kernel when they are
/// updated.
std::vector<std::string> kernel_holders(const facts::HostFacts& host);

/// Names to ask for, for the functions above; "*" at the end stands for any
/// rest.
std::vector<std::string> package_wants();

/// Where the packages of kernel `release` are if the distribution's
/// repositories no longer have them, in words with the line to add; "" if
/// nothing is known.
std::string archive_words(const facts::HostFacts& host,
                          std::string_view release);

}  // namespace gpunode::driver
