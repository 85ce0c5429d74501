// CUDA forward compatibility: an image's newer libcuda on an older driver.
//
// CUDA images bring a user-space driver in /usr/local/cuda/compat that may be
// newer than the host's, and works with the kernel drivers that it names in a
// note. Nothing of it is mounted or run: the loader is told to look there
// first (CVE-2025-23359 was about mounting it).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/host/root_directory.h"

namespace gpunode::hook {

inline constexpr std::string_view kDefaultCompatDirectory =
    "/usr/local/cuda/compat";

/// What the host has. Empty: not known.
struct HostVersions {
  std::string driver;  ///< "550.163.01"
  std::string cuda;    ///< "12.4"
};

/// What a compat library says of itself in the section
/// .note.cuda.fwd_compatibility. Passive data.
struct CompatNote {
  std::string cuda_version;             ///< "12.8"
  std::vector<unsigned> driver_majors;  ///< Kernel drivers it works with.
};

/// The note's JSON; kCorrupt if it is none, or lacks what we need.
Result<CompatNote> parse_compat_note(std::string_view json);

/// Dotted numbers as versions: below zero, zero, above zero.
int compare_versions(std::string_view left, std::string_view right);

/// The rule. Of a library that is libcuda.so.<version>: with a note and the
/// driver's version, that the note lists the driver's major and the library is
/// newer; with a note and only CUDA's version, that the note's is newer;
/// without a note, that its major is above the driver's.
bool should_use_compat(std::string_view version,
                       const std::optional<CompatNote>& note,
                       const HostVersions& host);

/// The directory whose libcuda should be used, as a path in the root;
/// `directory` may have wildcards. Nothing if there is not exactly one
/// libcuda.so.*.* in it. What is wrong with an image's library goes to
/// `warnings`, and it is not used.
std::optional<std::string> find_compat(const host::RootDirectory& root,
                                       const std::string& directory,
                                       const HostVersions& host,
                                       std::vector<std::string>& warnings);

}  // namespace gpunode::hook
