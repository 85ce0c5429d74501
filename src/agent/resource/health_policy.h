// HealthPolicy: which XIDs make a Device unhealthy.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gpunode::resource {

/// NVIDIA's two environment variables, with the meaning they have since
/// version 0.18 of its plugin:
///
///   DP_DISABLE_HEALTHCHECKS  comma list; numbers are ignored XIDs, `all` or
///                            `xids` ignores every one
///   DP_ENABLE_HEALTHCHECKS   comma list; numbers count although they are
///                            ignored by default or by the other list, `all`
///                            or `xids` makes every XID count
///
/// XIDs that applications cause (13, 31, 43, 45, 68, 109) are ignored by
/// default. With disable=all, numbers in the other list have no effect; only
/// enable=all has.
class HealthPolicy {
 public:
  /// What the plugin does when neither variable is set.
  HealthPolicy() = default;

  /// Never fails: items that mean nothing are kept for the log. An unset
  /// variable and an empty one are the same.
  static HealthPolicy from_environment(
      const std::optional<std::string>& disable_healthchecks,
      const std::optional<std::string>& enable_healthchecks);

  /// False: no XID ever counts, so there is no need to listen.
  bool is_listening() const { return every_xid_ || !no_xid_; }

  /// Whether this XID makes its Device unhealthy.
  bool is_critical(std::uint64_t xid) const;

  /// Items of the variables that are neither numbers nor `all` or `xids`.
  const std::vector<std::string>& meaningless() const { return meaningless_; }

 private:
  bool no_xid_ = false;
  bool every_xid_ = false;
  std::set<std::uint64_t> ignored_;
  std::set<std::uint64_t> enabled_;
  std::vector<std::string> meaningless_;
};

}  // namespace gpunode::resource
