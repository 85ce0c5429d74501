// Every distribution that NVIDIA's driver is had for, as data: which repository
// in which directory, which manager, what a module is built with, whose key.
//
// Nothing here looks at a host. A row is found by what os-release(5) and
// uname(2) say; what is in no row is refused in words, not guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::distribution {

enum class Manager : std::uint8_t { kApt, kDnf, kDnf5, kYum, kZypper };

/// How NVIDIA names the driver's packages (driver_packages.h).
enum class Family : std::uint8_t {
  kModular,  ///< dnf with streams of nvidia-driver: RHEL 8, 9, Amazon 2023.
  kPlain,    ///< The same names without streams: RHEL 10, Fedora.
  kRhel7,
  kUbuntu,
  kDebian,
  kSuse,
};

enum class Status : std::uint8_t {
  kSupported,
  kEndOfLife,  ///< The repository is there and gets nothing new.
  kRefused,    ///< No driver for it; `note` says what to do instead.
};

/// One architecture of a repository.
struct Architecture {
  std::string_view machine;  ///< uname -m.
  std::string_view directory;
  int first_branch = 0;  ///< The oldest branch of the driver there; 0: any.
  int last_branch = 0;   ///< The newest; 0: no end.
};

/// A key that a repository's index or packages are signed with.
struct Key {
  std::string_view file;  ///< Below the repository's directory.
  /// 40 hex digits. Empty: nobody has published them to where this version
  /// could
  /// look, and the row is refused until a GPUNode file says them.
  std::string_view fingerprint;
};

/// The package that a module is built against, for a kernel {release} (uname
/// -r) or {version} (without "-default").
struct DevelRule {
  std::string_view flavour;  ///< Ends or is within uname -r; empty: any.
  std::string_view package;
};

struct Distribution {
  std::string_view id;       ///< ID of os-release(5).
  std::string_view version;  ///< VERSION_ID, or what it begins with to a dot.
  std::string_view repository;  ///< "rhel8".
  Family family = Family::kModular;
  Manager manager = Manager::kDnf;
  std::span<const Architecture> architectures;
  std::span<const DevelRule> devel;  ///< The first that fits.
  std::span<const std::string_view> compilers;
  std::string_view dkms;  ///< Where DKMS is: "epel", "main", "own"; "": none.
  Key key;
  Status status = Status::kSupported;
  std::string_view note;   ///< Of kEndOfLife and kRefused: why, what instead.
  std::string_view cited;  ///< Where the row is said.
};

/// All rows.
std::span<const Distribution> distributions();

/// Whether a row is of VERSION_ID `version`: "8" is of "8.9", and not of "80".
bool is_version_of(const Distribution& row, std::string_view version);

/// The row of a distribution. kUnsupported for one that is in no row: the words
/// name the versions that are known, and tell a newer one from an older.
Result<const Distribution*> find_distribution(std::string_view id,
                                              std::string_view version);

/// What manages the packages of a distribution, by ID and ID_LIKE of
/// os-release(5): its own id first, then its kin, the closest first. A release
/// with a row may have dnf's other forms, kDnf5 or kYum. Nothing if neither it
/// nor its kin is of a family that is known; this is the one place that says
/// which are.
std::optional<Manager> manager_of(std::string_view id,
                                  std::span<const std::string> id_like);

/// What the driver is installed from on `machine` (uname -m).
struct Repository {
  std::string url;  ///< Ends with a slash.
  std::string key_url;
  std::string_view fingerprint;
  int first_branch = 0;  ///< As Architecture's.
  int last_branch = 0;
};

/// kUnsupported for an architecture that has no driver there, for rows that are
/// refused and for those whose key is not known. `base` is kBaseUrl or a mirror
/// of it, without a slash at its end.
Result<Repository> repository_of(const Distribution& distribution,
                                 std::string_view machine,
                                 std::string_view base);

inline constexpr std::string_view kBaseUrl =
    "https://developer.download.nvidia.com/compute/cuda/repos";

/// The package to build modules for the kernel `release` with.
std::string devel_package(const Distribution& distribution,
                          std::string_view release);

}  // namespace gpunode::distribution
