// zypper 1.14 and rpm: SLES and openSUSE Leap 15, and after.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "node/provision/packages/package_manager.h"

namespace gpunode::packages {

/// Recommended packages are not installed, unneeded ones not removed. Indexes
/// are read anew by refresh() alone. Keys are never accepted on a repository's
/// word: trust() comes first. zypper can't look past its locks, so
/// Transaction::may_change_held is refused: release(), change, hold().
class Zypper final : public PackageManager {
 public:
  explicit Zypper(ToolRunner runner) : runner_(std::move(runner)) {}

  Tool tool() const override { return Tool::kZypper; }
  Result<Observation> observe(const std::vector<std::string>& names) override;
  Result<std::vector<Candidate>> candidates(
      const std::vector<std::string>& names) override;
  Result<void> refresh() override;
  Result<TransactionPlan> simulate(const Transaction& wanted) override;
  Applied apply(const TransactionPlan& plan) override;
  Result<void> trust(const std::string& key_file) override;
  Result<std::vector<Hold>> holds() override;
  Result<void> hold(const std::vector<std::string>& names) override;
  Result<void> release(const std::vector<Hold>& holds) override;

 private:
  std::vector<std::string> argv() const;
  std::vector<std::string> change_argv(const Transaction& wanted,
                                       bool is_real) const;
  Result<TransactionPlan> resolve(const Transaction& wanted);
  Result<void> run_plan(const Transaction& exact);

  ToolRunner runner_;
};

}  // namespace gpunode::packages
