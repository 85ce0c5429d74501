// dnf and rpm: RHEL and its kin 8 to 10, Amazon Linux 2023, Fedora. Which form
// of dnf a host has is dnf_dialect.h's matter, and nobody else's.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/provision/packages/dnf_dialect.h"
#include "node/provision/packages/dnf_output.h"
#include "node/provision/packages/package_manager.h"

namespace gpunode::packages {

/// Weak dependencies are not installed, unneeded packages not removed, and no
/// kernel goes because another comes (installonly_limit). dnf 5 has no way past
/// its version locks: Transaction::may_change_held is refused with it.
class Dnf final : public PackageManager {
 public:
  explicit Dnf(ToolRunner runner);

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
  /// there is no such module. This and what follows of modules is kUnsupported
  /// with dnf 5 and yum: no repository of drivers has streams for them.
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
  /// What a transaction is to dnf: words after its options, or a script.
  struct Words {
    std::vector<std::string> argv;
    std::string script;  ///< Empty: none.
  };

  std::vector<std::string> argv() const;
  /// Of a run that needs no repository.
  std::vector<std::string> local_argv() const;
  /// Of a run that changes packages, up to its verb.
  std::vector<std::string> change_argv(const Transaction& wanted) const;
  Result<Words> words(const Transaction& wanted,
                      const Observation& before) const;
  /// candidates() of a form without repoquery.
  Result<std::vector<Candidate>> listed(const std::vector<std::string>& names);
  Result<void> check_streams() const;
  Result<void> check_alone(const std::vector<Hold>& going);
  Result<DnfTable> resolve(const Transaction& wanted,
                           const Observation& before);
  Result<void> run_plan(const Transaction& exact, const Observation& before);
  Result<void> mark_dependencies(const TransactionPlan& plan,
                                 const Observation& before);

  ToolRunner runner_;
  const DnfDialect& dialect_;
};

}  // namespace gpunode::packages
