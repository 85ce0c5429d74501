#include "node/provision/packages/zypper.h"

#include <algorithm>

#include "node/provision/packages/plan_applier.h"
#include "node/provision/packages/rpm_database.h"
#include "node/provision/packages/zypper_output.h"

namespace gpunode::packages {
namespace {

constexpr const char* kZypper = "/usr/bin/zypper";

// zypper(8), "EXIT CODES": information, not failure.
constexpr int kUpdateNeeded = 100;
constexpr int kRestartNeeded = 103;
constexpr int kNothingFound = 104;
constexpr int kScriptFailed = 107;

bool has_changed(const host::Completed& completed) {
  const int status = completed.status;
  // A failed script is an error too, but one that comes after the fact.
  return status == 0 || status == kScriptFailed ||
         (status >= kUpdateNeeded && status <= kRestartNeeded);
}

/// An expired key is a warning to zypper, and exit status 0.
bool has_refreshed(const host::Completed& completed) {
  return completed.status == 0 &&
         completed.out.find("has expired.") == std::string::npos;
}

std::string spec_of(const Wanted& package) {
  return package.version.empty() ? package.name
                                 : package.name + "=" + package.version;
}

}  // namespace

std::vector<std::string> Zypper::argv() const {
  std::vector<std::string> argv = {kZypper, "--non-interactive", "--xmlout"};
  if (runner_.has_root()) {
    argv.emplace_back("--root");
    argv.push_back(runner_.settings().root);
  }
  return argv;
}

Result<Observation> Zypper::observe(const std::vector<std::string>& names) {
  return observe_rpms(runner_, names);
}

Result<std::vector<Candidate>> Zypper::candidates(
    const std::vector<std::string>& names) {
  TRY_VOID(check_names(names));
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"--no-refresh", "search", "--details",
                                 "--match-exact", "--type", "package"});
  command.insert(command.end(), names.begin(), names.end());
  TRY(const host::Completed completed,
      runner_.act("list versions", command, "",
                  [](const host::Completed& done) {
                    return done.status == 0 || done.status == kNothingFound;
                  }));
  return parse_zypper_search(completed.out);
}

Result<void> Zypper::refresh() {
  std::vector<std::string> command = argv();
  command.emplace_back("refresh");
  TRY_VOID(runner_.act("refresh package indexes", command, "", has_refreshed));
  return {};
}

std::vector<std::string> Zypper::change_argv(const Transaction& wanted,
                                             bool is_real) const {
  std::vector<std::string> command = argv();
  command.emplace_back("--no-refresh");
  // "remove" takes along what needs it, as a plan that says so; "install"
  // with names to remove would ask which of the two is meant.
  const bool only_removes = wanted.install.empty();
  command.emplace_back(only_removes ? "remove" : "install");
  if (!is_real) command.emplace_back("--dry-run");
  command.emplace_back("--details");
  if (!only_removes) {
    command.insert(command.end(),
                   {"--no-recommends", "--auto-agree-with-licenses"});
    if (wanted.may_downgrade) command.emplace_back("--oldpackage");
  }
  command.emplace_back("--");
  for (const Wanted& package : wanted.install) {
    command.push_back(spec_of(package));
  }
  for (const Wanted& package : wanted.remove) {
    command.push_back(only_removes ? spec_of(package) : "!" + package.name);
  }
  return command;
}

Result<TransactionPlan> Zypper::resolve(const Transaction& wanted) {
  TRY_VOID(check_words(wanted));
  if (wanted.may_change_held) {
    return Error(ErrorCode::kUnsupported,
                 "resolve packages: zypper can't change what is locked; next: "
                 "release the locks, change, and lock again");
  }
  TransactionPlan plan;
  plan.request = wanted;
  if (wanted.install.empty() && wanted.remove.empty()) return plan;
  TRY(const host::Completed completed,
      runner_.act("resolve packages", change_argv(wanted, false), "",
                  has_changed));
  TRY(ZypperSummary summary, parse_zypper_summary(completed.out));
  plan.changes = std::move(summary.changes);
  plan.download_bytes = summary.download_bytes;
  plan.installed_bytes = summary.installed_bytes;
  TRY(const Observation before, observe({}));
  if (const Wanted* package = left_out(wanted, plan.changes, before)) {
    Failure failure = explain(Tool::kZypper, completed.out);
    failure.evidence = spec_of(*package) + " is left out; " + failure.evidence;
    return to_error(Tool::kZypper, failure, "resolve packages");
  }
  for (const PackageChange& change : plan.changes) {
    if (change.kind != ChangeKind::kDowngrade || wanted.may_downgrade) continue;
    return to_error(
        Tool::kZypper,
        {FailureKind::kWouldDowngrade,
         change.name + " " + change.old_version + " to " + change.new_version},
        "resolve packages");
  }
  return plan;
}

Result<TransactionPlan> Zypper::simulate(const Transaction& wanted) {
  return resolve(wanted);
}

Result<void> Zypper::run_plan(const Transaction& exact) {
  TRY(host::Completed completed,
      runner_.act("change packages", change_argv(exact, true), "", has_changed,
                  [this] { (void)refresh(); }));
  completed.out = plain_text(completed.out);
  TRY_VOID(check_scripts(Tool::kZypper, completed));
  if (completed.status == kScriptFailed) {
    return to_error(Tool::kZypper, {FailureKind::kScript, ""},
                    "change packages");
  }
  return {};
}

Applied Zypper::apply(const TransactionPlan& plan) {
  return apply_plan(
      plan,
      {[this] { return observe({}); },
       [this](const Transaction& exact) -> Result<std::vector<PackageChange>> {
         TRY(TransactionPlan now, resolve(exact));
         return std::move(now.changes);
       },
       [this](const Transaction& exact) { return run_plan(exact); },
       {}});
}

Result<void> Zypper::trust(const std::string& key_file) {
  return import_rpm_key(runner_, key_file);
}

Result<std::vector<Hold>> Zypper::holds() {
  std::vector<std::string> command = argv();
  command.emplace_back("locks");
  TRY(const host::Completed completed, runner_.act("list holds", command));
  return parse_zypper_locks(completed.out);
}

Result<void> Zypper::hold(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  TRY(const Observation observation, observe(names));
  for (const std::string& name : names) {
    if (observation.find(name) != nullptr) continue;
    return Error(ErrorCode::kNotFound,
                 "hold " + name + ": it is not installed");
  }
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"addlock", "--type", "package", "--"});
  command.insert(command.end(), names.begin(), names.end());
  TRY_VOID(runner_.act("hold packages", command));
  return {};
}

Result<void> Zypper::release(const std::vector<Hold>& holds) {
  if (holds.empty()) return {};
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"removelock", "--type", "package", "--"});
  for (const Hold& hold : holds) {
    TRY_VOID(check_names({hold.entry}));
    command.push_back(hold.entry);
  }
  TRY_VOID(runner_.act("release packages", command));
  return {};
}

}  // namespace gpunode::packages
