// What the logs of tools say: DKMS's make.log, and those of package managers.
//
// Pure; the logs may hold anything (kernel_log.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::diagnose {

enum class BuildFault : std::uint8_t {
  kNone,       ///< Nothing in it says that the build failed.
  kNoHeaders,  ///< The kernel's devel package is not there, or another's.
  kCompiler,   ///< The compiler is none that this kernel takes.
  kNoSpace,    ///< The disk was full.
  kError,      ///< Something else; `line` says what.
};

struct BuildVerdict {
  BuildFault fault = BuildFault::kNone;
  std::string line;    ///< The one that says so; at most 300 bytes.
  std::string kernel;  ///< That it was for: "4.18.0-513.el8.x86_64"; "".
};

/// Reads a make.log of DKMS.
BuildVerdict read_build_log(std::string_view text);

enum class PackageFault : std::uint8_t {
  kKey,        ///< The key is missing, expired or another.
  kSignature,  ///< It signs by SHA-1, or wrongly.
  kChecksum,   ///< What was fetched is not what the index says.
  kGone,       ///< The repository or file is no longer there.
  kNoDevel,    ///< No devel package of this kernel is to be had.
  kModular,    ///< A module's stream hides the package.
};

struct PackageMark {
  PackageFault fault = PackageFault::kKey;
  std::string line;  ///< At most 300 bytes.
};

/// Of the last run that the log of dnf or apt tells of, what kept it from
/// doing its work; each fault once.
std::vector<PackageMark> read_package_log(std::string_view text);

}  // namespace gpunode::diagnose
