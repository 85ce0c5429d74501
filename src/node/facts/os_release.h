// Which distribution this is; os-release(5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/distribution/distribution.h"

namespace gpunode::facts {

/// The fields that decide how a host is prepared.
struct OsRelease {
  std::string id;                    ///< "rocky"; "linux" if none is given.
  std::vector<std::string> id_like;  ///< "rhel", "centos", "fedora".
  std::string version_id;            ///< "8.9"; empty on rolling ones.
  std::string codename;              ///< VERSION_CODENAME.
  std::string variant_id;
  std::string pretty_name;

  /// `family` is the id or among what it is like.
  bool is_like(std::string_view family) const;
  /// The number before the first dot of version_id; 0 if there is none or it is
  /// a date, as of rolling distributions.
  int major_version() const;
  /// distribution::manager_of() of this one.
  std::optional<distribution::Manager> package_manager() const;
  friend bool operator==(const OsRelease&, const OsRelease&) = default;
};

/// Reads shell-like assignments, quotes and escapes resolved, nothing expanded.
/// Unknown keys are passed over; kCorrupt with the line for what is not one.
Result<OsRelease> parse_os_release(std::string_view text);

}  // namespace gpunode::facts
