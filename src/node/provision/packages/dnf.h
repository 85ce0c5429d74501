// dnf 4 and rpm: RHEL and its kin 8 to 10, Amazon Linux 2023, Fedora to 40.
//
// Fedora 41 and later have dnf5, which lacks `dnf shell` (`dnf5 do` is in its
// place), keeps version locks in /etc/dnf/versionlock.toml, and calls `mark
// remove` `mark dependency`. It is recognised and refused in words.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/provision/packages/dnf_output.h"
#include "node/provision/packages/package_manager.h"

namespace gpunode::packages {

/// Weak dependencies are not installed, unneeded packages not removed, and no
/// kernel goes because another comes (installonly_limit).
class Dnf final : public PackageManager {
 public:
  explicit Dnf(ToolRunner runner) : runner_(std::move(runner)) {}

  Tool tool() const override { return Tool::kDnf; }
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

  /// The streams of one module, as enabled repositories offer them; none if
  /// there is no such module.
  Result<std::vector<ModuleStream>> streams(const std::string& module);

  /// The stream that /etc/dnf/modules.d says is enabled; empty if none. Reads
  /// a file, runs nothing.
  Result<std::string> enabled_stream(const std::string& module) const;

  /// Makes `stream` the enabled one, another one given up first. Installed
  /// packages stay as they are.
  Result<void> enable_stream(const std::string& module,
                             const std::string& stream);

  /// Back to the default: the inverse of enable_stream() where nothing was
  /// enabled before.
  Result<void> reset_stream(const std::string& module);

 private:
  std::vector<std::string> argv() const;
  /// Of a run that changes packages, up to its verb.
  std::vector<std::string> shell_argv(const Transaction& wanted) const;
  Result<std::string> shell(const Transaction& wanted,
                            const Observation& before) const;
  Result<DnfTable> resolve(const Transaction& wanted,
                           const Observation& before);
  Result<void> run_plan(const Transaction& exact);
  Result<void> mark_dependencies(const TransactionPlan& plan,
                                 const Observation& before);

  ToolRunner runner_;
};

}  // namespace gpunode::packages
