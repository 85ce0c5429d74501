// What dnf prints, read. All pure.
//
// dnf 5 (Fedora 41 and later) prints dnf 4's table with " replacing " lines
// below what is upgraded, installed sizes in place of downloads' and other
// words in the summary; both are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// The table that dnf shows before it asks "Is this ok".
struct DnfTable {
  std::vector<PackageChange> changes;
  std::vector<std::string> skipped;  ///< "Skipping packages with …".
  std::optional<std::uint64_t> download_bytes;
  std::optional<std::int64_t> installed_bytes;
};

/// Reads the table wherever it is in `text`; empty if there is none ("Nothing
/// to do"). Old versions of what is upgraded come from `before`. kCorrupt if a
/// row does not parse.
Result<DnfTable> parse_dnf_table(std::string_view text,
                                 const Observation& before);

/// "6.0 k", "14 M", "949": bytes, as dnf rounds them; empty if it is no size.
std::optional<std::uint64_t> parse_dnf_size(std::string_view text);

/// dnf repoquery's --queryformat for parse_dnf_repoquery().
inline constexpr const char* kRepoqueryFormat =
    "%{name}|%{epoch}|%{version}-%{release}|%{arch}|%{repoid}";
std::vector<Candidate> parse_dnf_repoquery(std::string_view text);

/// yum's `list`: three words a package, cut into lines as it likes. What is
/// installed counts as offered by where it came from.
std::vector<Candidate> parse_yum_list(std::string_view text);

/// An entry of the version lock list: "nvidia-driver-3:580.65-1.el8.*", with
/// yum "3:nvidia-driver-580.65-1.el8.*".
/// Empty name if it is none (a comment, a message).
Hold parse_dnf_lock(std::string_view line);
std::vector<Hold> parse_dnf_locks(std::string_view text);

/// dnf 5's `versionlock list`: "Package name: NAME" and a line "evr = 580.2-1"
/// for each condition. An entry is "NAME: CONDITION, CONDITION".
std::vector<Hold> parse_dnf5_locks(std::string_view text);

/// The same of /etc/dnf/versionlock.toml, as `versionlock add` writes it; of
/// what somebody wrote in another style of TOML the names alone.
std::vector<Hold> parse_dnf5_lock_file(std::string_view text);

/// Whether a lock of dnf 5 is on exactly that version.
bool is_lock_on(const Hold& hold, std::string_view version);

/// A stream of `dnf module list`.
struct ModuleStream {
  std::string module;
  std::string stream;
  bool is_default = false;
  bool is_enabled = false;
  std::vector<std::string> profiles;

  friend bool operator==(const ModuleStream&, const ModuleStream&) = default;
};
std::vector<ModuleStream> parse_dnf_modules(std::string_view text);

}  // namespace gpunode::packages
