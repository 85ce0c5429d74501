// What the driver's packages are called, by family, flavour and branch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/distribution/distribution.h"

namespace gpunode::distribution {

enum class Flavour : std::uint8_t { kOpen, kProprietary };

enum class Profile : std::uint8_t {
  kCompute,  ///< CUDA in containers, without anything for a display.
  kFull,     ///< With what a display needs.
};

/// What to install.
struct DriverPackages {
  std::string stream;  ///< Of dnf's module nvidia-driver: "580-open"; "": none.
  /// All of the driver's own version.
  std::vector<std::string> packages;
  /// The one of them that brings the kernel modules.
  std::string module;
  /// Names that modules of the other flavour, or another branch's, have in this
  /// family: they go in the same transaction.
  std::vector<std::string> rivals;
};

/// kUnsupported, in words, where the family has no such flavour in that branch:
/// proprietary modules end with 615, open ones begin with 515 and are not in
/// RHEL 7's repository.
Result<DriverPackages> driver_packages(Family family, Flavour flavour,
                                       int branch, Profile profile);

/// Whether a family has packages without a display's in a branch.
bool has_compute_packages(Family family, int branch);

/// The first branch with a package nvidia-imex.
inline constexpr int kFirstImexBranch = 550;

/// What stands beside the driver, and which of it is wanted.
struct CompanionWish {
  bool persistence = false;
  bool fabric_manager = false;
  bool subnet_manager = false;  ///< NVLink 5.
  bool imex = false;
};

struct Companions {
  std::vector<std::string> same;  ///< In exactly the driver's version.
  std::vector<std::string> any;   ///< In a version of their own.
};

/// By what NVIDIA called them in that branch; `machine` is uname -m.
Companions companions(Family family, int branch, const CompanionWish& wish,
                      std::string_view machine);

/// Patterns ("*" at the end stands for any rest) of all that belongs to the
/// driver in a family: it may go, or become older, where the driver changes.
std::span<const std::string_view> driver_patterns();

/// Whether one of them fits.
bool is_of_driver(std::string_view package);

/// Whether it is of the driver and has another branch in its name:
/// "nvidia-utils-550", "nvidia-dkms-550-open". Such packages need not conflict
/// with those of `branch`, and would stay beside them.
bool is_of_another_branch(std::string_view package, int branch);

}  // namespace gpunode::distribution
