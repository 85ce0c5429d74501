// Where each distribution keeps what a GPU node needs beside its base: DKMS,
// and what DKMS needs. A table, and the way to read it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "node/distribution/table.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// How one more repository is had.
enum class Source {
  kNone,          ///< Nothing is needed.
  kEnable,        ///< It is configured but off.
  kPackage,       ///< `what` is a package of the distribution that brings it.
  kFile,          ///< Nobody brings it: a file of ours with EPEL's pinned key.
  kComponents,    ///< `what` are components of the archive (apt).
  kSubscription,  ///< `what` is its id with subscription-manager(8).
  kExtras,        ///< `what` is a topic of amazon-linux-extras.
  kModule,        ///< `what` is a product of SUSEConnect(8).
};

/// One row. Text may hold {major}, {version} and {arch} (as `uname -m`).
struct ExtraRepository {
  std::string_view distribution;  ///< ID of os-release(5).
  int first = 0;                  ///< Major versions, both included.
  int last = 0;
  Tool tool = Tool::kApt;
  Source source = Source::kNone;
  std::string_view what;
  /// The ids that it has on a host, with blanks between, "*" for anything: one
  /// of them enabled is what the row wants. Empty for apt.
  std::string_view ids;
  /// The repository itself, where EPEL's key signs it: what a mirror of it
  /// stands for, and what a file of ours names. Empty otherwise.
  std::string_view url;
  std::string_view gives;  ///< What it is needed for; for people.
  std::string_view cited;  ///< Where this is said.
};

/// All rows, in the order in which to have them within a distribution.
std::span<const ExtraRepository> extra_repositories();

/// The rows of one distribution; empty if it is not in the table, which is not
/// the same as kNone.
std::span<const ExtraRepository> extra_repositories(
    std::string_view distribution, int major);

/// The same of a distribution that the file of a host says something of: its
/// own rows, else those of the one that it is like.
std::span<const ExtraRepository> extra_repositories(
    const distribution::Table& table, std::string_view id,
    std::string_view version);

/// The number that a VERSION_ID begins with; 0 if there is none.
int major_of(std::string_view version);

/// `text` with its {…} filled in.
std::string filled_in(std::string_view text, int major,
                      std::string_view version, std::string_view arch);

/// Whether `id` is one of `ids` (ExtraRepository::ids, filled in) and none of
/// the debug, source, beta or extended-support siblings that a "*" takes in.
bool is_one_of(std::string_view id, std::string_view ids);

}  // namespace gpunode::packages
