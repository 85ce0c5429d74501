// What package managers are asked and what they answer, as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/result.h"

namespace gpunode::packages {

enum class Tool { kApt, kDnf, kZypper };

/// "apt", "dnf", "zypper".
const char* name_of(Tool tool);

/// An installed package. Versions are as the tool spells them in its output:
/// [epoch:]version-release, without an epoch of 0, so that they compare equal
/// as text within one tool.
struct Package {
  std::string name;
  std::string version;
  std::string architecture;
  bool is_held = false;               ///< dpkg's own hold; rpm has none.
  std::uint64_t installed_bytes = 0;  ///< As the package claims; 0: unknown.

  friend bool operator==(const Package&, const Package&) = default;
};

/// Something that is half done or contradicts itself, in words.
struct Trouble {
  std::string what;    ///< "stub-broken 580.2-1 is unpacked but …".
  std::string remedy;  ///< The command that mends it, for a person.

  friend bool operator==(const Trouble&, const Trouble&) = default;
};

/// What one question to the package database says.
struct Observation {
  std::vector<Package> installed;  ///< By name; several kernels are several.
  std::vector<Trouble> troubles;   ///< Of the whole system.

  /// The first installed package of that name; null if there is none. Valid
  /// as long as the Observation.
  const Package* find(const std::string& name) const;
};

/// A version that could be installed.
struct Candidate {
  std::string name;
  std::string version;
  std::string architecture;
  std::string repository;  ///< As the tool names it; may be empty.

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

/// A package that must not change. `entry` is what undoes it: a name for apt
/// and zypper, a line of the lock list for dnf.
struct Hold {
  std::string name;
  std::string entry;

  friend bool operator==(const Hold&, const Hold&) = default;
};

/// One package to have: exactly `version`, or the newest if that is empty.
struct Wanted {
  std::string name;
  std::string version{};

  friend bool operator==(const Wanted&, const Wanted&) = default;
};

/// What is asked for, before anything is known of its consequences.
struct Transaction {
  std::vector<Wanted> install;
  /// A version matters where several are installed side by side: kernels.
  std::vector<Wanted> remove;
  bool may_change_held = false;
  bool may_downgrade = false;

  friend bool operator==(const Transaction&, const Transaction&) = default;
};

enum class ChangeKind { kInstall, kUpgrade, kDowngrade, kReinstall, kRemove };

/// "install", "upgrade", …
const char* name_of(ChangeKind kind);

/// What becomes of one package.
struct PackageChange {
  ChangeKind kind = ChangeKind::kInstall;
  std::string name;
  std::string architecture;
  std::string old_version;  ///< Empty: was not there.
  std::string new_version;  ///< Empty: will not be there.
  std::string repository;   ///< Empty: not told.
  /// apt and zypper are exact; dnf rounds to three digits.
  std::optional<std::uint64_t> download_bytes;

  friend bool operator==(const PackageChange&, const PackageChange&) = default;
};

/// The consequences of a Transaction, as the tool itself resolved them.
struct TransactionPlan {
  Transaction request;
  std::vector<PackageChange> changes;  ///< By name.
  /// Half-configured packages that the tool would configure on the way.
  std::vector<std::string> finishes;
  std::optional<std::uint64_t> download_bytes;
  /// Disk space taken (negative: freed) in the end; empty if not told.
  std::optional<std::int64_t> installed_bytes;

  bool is_empty() const { return changes.empty() && finishes.empty(); }
  bool removes_anything() const;
};

/// What a change that was made, or half made, did to the package database.
struct Applied {
  std::vector<PackageChange> changed;  ///< Whatever became of the rest.
  /// Why not all of the plan was done, or not well: a package's script that
  /// failed counts, though dnf and zypper call that a success.
  Result<void> outcome;
};

/// The Transaction that leads back: what came is removed, what went or changed
/// is installed in its old version. Old versions may be gone from the
/// repositories, so this compensates rather than restores; simulate() tells.
Transaction inverse_of(const std::vector<PackageChange>& changes);

/// True if both lead to the same versions of the same packages, whatever the
/// kinds are called and whatever they weigh.
bool are_same_changes(const std::vector<PackageChange>& a,
                      const std::vector<PackageChange>& b);

/// kInvalidArgument if a name or version holds what no package manager allows
/// in one: an option or a pattern in its place.
Result<void> check_words(const Transaction& wanted);
Result<void> check_names(const std::vector<std::string>& names);

/// The changes from one database to the other, by name.
std::vector<PackageChange> changes_between(const Observation& before,
                                           const Observation& after);

}  // namespace gpunode::packages
