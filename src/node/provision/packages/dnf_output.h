// What dnf prints, read. All pure.
//
// Written for dnf 4. dnf5 (Fedora 41 and later) prints the same table with
// " replacing " lines below what is upgraded and other words in the summary;
// both are read.
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

/// An entry of the version lock list: "nvidia-driver-3:580.65-1.el8.*".
/// Empty name if it is none (a comment, a message).
Hold parse_dnf_lock(std::string_view line);
std::vector<Hold> parse_dnf_locks(std::string_view text);

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
