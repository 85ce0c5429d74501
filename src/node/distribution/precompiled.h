// NVIDIA's ready-made kernel modules on Enterprise Linux 8 and 9: a package for
// each pair of a driver and a kernel, whose name has both.
//
// "kmod-nvidia-580.95.05-5.14.0-570.17.1" in release "3.el9_6": the kernel is
// 5.14.0-570.17.1.el9_6, and the stream of the module nvidia-driver is the
// branch alone, "580" (NVIDIA/yum-packaging-precompiled-kmod, README and
// kmod-nvidia.spec; its issues 61 and 67). They are proprietary and x86_64.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "node/distribution/distribution.h"
#include "node/distribution/driver_packages.h"

namespace gpunode::distribution {

/// The two parts of such a name, which they are views of.
struct PrecompiledKmod {
  std::string_view version;  ///< "580.95.05".
  std::string_view kernel;   ///< "5.14.0-570.17.1".
};

/// Nothing for any other package; RPM Fusion's and ELRepo's kmod-nvidia-… have
/// no version of the driver in their names.
std::optional<PrecompiledKmod> parse_precompiled_kmod(std::string_view package);

/// The name for a kernel's release (uname -r) in any version, which "*" stands
/// for. kUnsupported for a kernel that is not Red Hat's own build: one of a
/// rebuild's with a number of its own (…el8_6.0.1), Oracle's UEK, a realtime
/// one.
Result<std::string> precompiled_name(std::string_view release);

/// Whether the rows' repository has modules that come built for this machine
/// (uname -m), in words where not. SUSE's KMPs do not need to be asked for: the
/// branches that have them have nothing else.
Result<void> check_precompiled(const Distribution& row,
                               std::string_view machine, int branch);

/// Whether those of the row are proprietary alone.
bool is_precompiled_proprietary(const Distribution& row);

/// What driver_packages() says, with modules that come built for the kernel of
/// `release`. SUSE's KMPs are what it says already.
Result<DriverPackages> precompiled_packages(const Distribution& row, int branch,
                                            Flavour flavour, Profile profile,
                                            std::string_view release);

}  // namespace gpunode::distribution
