// Where each distribution keeps what a GPU node needs beside its base: DKMS,
// and what DKMS needs. A table, and the way to read it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// How one more repository is had.
enum class Source {
  kNone,          ///< Nothing is needed.
  kEnable,        ///< It is configured but off: `what` is its id.
  kPackage,       ///< `what` is a package of the distribution that brings it.
  kPackageUrl,    ///< `what` is the URL of such a package.
  kComponents,    ///< `what` are components of the archive (apt).
  kRegistration,  ///< `what` is what a registered system asks its vendor for.
};

/// One row. Text may hold {major}, {version} and {arch} (as `uname -m`).
struct ExtraRepository {
  std::string_view distribution;  ///< ID of os-release(5).
  int first = 0;                  ///< Major versions, both included.
  int last = 0;
  Tool tool = Tool::kApt;
  Source source = Source::kNone;
  std::string_view what;
  std::string_view gives;  ///< What it is needed for; for people.
  std::string_view cited;  ///< Where this is said.
};

/// All rows, in the order in which to have them within a distribution.
std::span<const ExtraRepository> extra_repositories();

/// The rows of one distribution; empty if it is not in the table, which is not
/// the same as kNone.
std::span<const ExtraRepository> extra_repositories(
    std::string_view distribution, int major);

/// `text` with its {…} filled in.
std::string filled_in(std::string_view text, int major,
                      std::string_view version, std::string_view arch);

}  // namespace gpunode::packages
