// Which consequences of a transaction are never taken. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// What else than the packages asked for may go or become older. A trailing
/// "*" stands for any rest: "libnvidia-*".
struct TransactionPolicy {
  std::vector<std::string> may_remove;
  std::vector<std::string> may_downgrade;
};

/// True for what a host does not boot or mend itself without: kernels, boot
/// loaders, systemd, libc, package managers; and for what it needs.
bool is_protected(std::string_view name);

/// True for what a node runs by and its disks are found by: kubelet, container
/// runtimes, LVM.
bool is_needed(std::string_view name);

/// Refuses a plan that
///   removes something protected, whoever asked, but for what is needed and was
///   asked for by its name, as the undo of its installation does;
///   removes what was neither asked for nor is in `may_remove`;
///   puts an older version in place of what was not asked for in that version
///   and is not in `may_downgrade`.
/// The Error (kUnsupported) names every package that is in the way.
Result<void> check_transaction(const TransactionPlan& plan,
                               const TransactionPolicy& policy);

}  // namespace gpunode::packages
