// What `zypper --xmlout` prints, read. All pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// The <install-summary> of a transaction. Without one ("Nothing to do" of
/// some versions) it is empty. kCorrupt if a package in it has no name or
/// version. Versions of zypper before 1.14.60 do not name repositories.
struct ZypperSummary {
  std::vector<PackageChange> changes;
  std::optional<std::uint64_t> download_bytes;
  std::optional<std::int64_t> installed_bytes;
};
Result<ZypperSummary> parse_zypper_summary(std::string_view xml);

/// `zypper locks`: those of packages.
std::vector<Hold> parse_zypper_locks(std::string_view xml);

/// `zypper search --details`: what repositories have, installed or not.
std::vector<Candidate> parse_zypper_search(std::string_view xml);

/// The text between the tags, entities resolved: what zypper says to people.
std::string plain_text(std::string_view xml);

}  // namespace gpunode::packages
