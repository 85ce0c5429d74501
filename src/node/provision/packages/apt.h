// apt-get, apt-cache, apt-mark and dpkg-query: Debian and Ubuntu.
#pragma once

#include <string>
#include <vector>

#include "node/provision/packages/package_manager.h"

namespace gpunode::packages {

/// Needs apt 1.1 (2015). Recommended packages are not installed, unneeded ones
/// not removed, and configuration files that people changed are kept.
class Apt final : public PackageManager {
 public:
  explicit Apt(ToolRunner runner) : runner_(std::move(runner)) {}

  Tool tool() const override { return Tool::kApt; }
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
  std::vector<std::string> argv(const char* program) const;
  std::vector<std::string> change_argv(const Transaction& wanted,
                                       bool is_real) const;
  Result<std::string> simulated(Transaction wanted);
  Result<std::vector<PackageChange>> resolve(const Transaction& wanted,
                                             TransactionPlan* plan);
  Result<void> run_plan(const TransactionPlan& plan);
  Result<void> mark_dependencies(const TransactionPlan& plan,
                                 const Observation& before);
  Result<void> hold_again(const std::vector<PackageChange>& changed,
                          const Observation& before);

  ToolRunner runner_;
};

}  // namespace gpunode::packages
