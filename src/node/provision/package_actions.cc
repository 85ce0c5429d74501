#include "node/provision/package_actions.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/packages/transaction_policy.h"

namespace gpunode::provision {
namespace {

using packages::Tool;
using packages::Transaction;
using packages::TransactionPlan;
using packages::Wanted;

/// "name=version" or a name alone.
Wanted wanted_of(const std::string& words) {
  const std::size_t equals = words.find('=');
  if (equals == std::string::npos) return {words};
  return {words.substr(0, equals), words.substr(equals + 1)};
}

std::vector<std::string> names_of(const std::vector<std::string>& packages) {
  std::vector<std::string> names;
  for (const std::string& words : packages) {
    names.push_back(wanted_of(words).name);
  }
  return names;
}

Error half_configured(const std::vector<packages::Trouble>& troubles) {
  return {ErrorCode::kUnavailable,
          fmt::format("packages are half installed: {}; mend it with `{}`, "
                      "then apply again",
                      troubles.front().what, troubles.front().remedy)};
}

}  // namespace

Result<Tool> package_tool(const facts::OsRelease& os) {
  if (os.is_like("debian") || os.is_like("ubuntu")) return Tool::kApt;
  if (os.is_like("suse") || os.is_like("sles") || os.is_like("opensuse")) {
    return Tool::kZypper;
  }
  if (os.is_like("rhel") || os.is_like("fedora") || os.is_like("centos") ||
      os.is_like("amzn")) {
    return Tool::kDnf;
  }
  return Error(
      ErrorCode::kUnsupported,
      fmt::format("no package manager is known for {}", os.pretty_name));
}

Result<packages::PackageManager*> PackageActions::manager() {
  if (!manager_) {
    TRY(const std::string text, host_.read_file("/etc/os-release"));
    TRY(const facts::OsRelease os, facts::parse_os_release(text));
    TRY(const Tool tool, package_tool(os));
    manager_ = packages::make_package_manager(tool, runner_, settings_);
  }
  return manager_.get();
}

Result<Inverse> PackageActions::prepare(const InstallPackages& action) {
  TRY(auto* tool, manager());
  TRY(const packages::Observation before,
      tool->observe(names_of(action.packages)));
  if (!before.troubles.empty()) return half_configured(before.troubles);
  Transaction wanted;
  for (const std::string& words : action.packages) {
    wanted.install.push_back(wanted_of(words));
  }
  TRY(const TransactionPlan plan, tool->simulate(wanted));
  RemovePackages back;
  for (const packages::PackageChange& change : plan.changes) {
    if (change.kind == packages::ChangeKind::kInstall) {
      back.packages.push_back(change.name);
    }
  }
  if (back.packages.empty()) return Inverse{};
  return Inverse::of(std::move(back), Undo::kCompensating);
}

Result<Inverse> PackageActions::prepare(const RemovePackages& action) {
  TRY(auto* tool, manager());
  TRY(const packages::Observation before, tool->observe(action.packages));
  InstallPackages back;
  for (const packages::Package& package : before.installed) {
    back.packages.push_back(
        fmt::format("{}={}", package.name, package.version));
  }
  if (back.packages.empty()) return Inverse{};
  return Inverse::of(std::move(back), Undo::kCompensating);
}

Result<void> PackageActions::carry_out(const Transaction& wanted) {
  TRY(auto* tool, manager());
  TRY(const TransactionPlan plan, tool->simulate(wanted));
  if (plan.is_empty()) return {};
  TRY_VOID(packages::check_transaction(plan, {}));
  packages::Applied applied = tool->apply(plan);
  return std::move(applied.outcome);
}

Result<void> PackageActions::perform(const InstallPackages& action) {
  Transaction wanted;
  for (const std::string& words : action.packages) {
    wanted.install.push_back(wanted_of(words));
  }
  return carry_out(wanted);
}

Result<void> PackageActions::perform(const RemovePackages& action) {
  TRY(auto* tool, manager());
  TRY(const packages::Observation now, tool->observe(action.packages));
  Transaction wanted;
  // What is gone already needs no removing: an undo that was cut off.
  for (const packages::Package& package : now.installed) {
    const bool is_known = std::ranges::any_of(
        wanted.remove,
        [&](const Wanted& one) { return one.name == package.name; });
    if (!is_known) wanted.remove.push_back({package.name});
  }
  if (wanted.remove.empty()) return {};
  return carry_out(wanted);
}

}  // namespace gpunode::provision
