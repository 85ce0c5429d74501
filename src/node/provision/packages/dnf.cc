#include "node/provision/packages/dnf.h"

#include <algorithm>

#include "node/provision/packages/lines.h"
#include "node/provision/packages/plan_applier.h"
#include "node/provision/packages/rpm_database.h"
#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

constexpr const char* kDnf = "/usr/bin/dnf";

std::string spec_of(const Wanted& package) {
  return package.version.empty() ? package.name
                                 : package.name + "-" + package.version;
}

/// dnf's shell ends with status 0 whatever happened, and --assumeno with 1
/// when all is well: what it printed decides.
bool has_resolved(const host::Completed& completed) {
  const std::string output = all_output(completed);
  bool has_ended = false;
  for (const std::string_view line : lines_of(output)) {
    if (line.starts_with("Error: Operation aborted")) {
      has_ended = true;
    } else if (line.starts_with("Error")) {
      return false;
    }
    has_ended |= line.starts_with("Operation aborted") ||
                 line.starts_with("Nothing to do") ||
                 line.starts_with("Complete!");
  }
  return has_ended;
}

}  // namespace

std::vector<std::string> Dnf::argv() const {
  std::vector<std::string> argv = {kDnf};
  if (runner_.has_root()) {
    argv.push_back("--installroot=" + runner_.settings().root);
  }
  if (const std::string& only = runner_.settings().only_repository;
      !only.empty()) {
    argv.insert(argv.end(), {"--disablerepo=*", "--enablerepo=" + only});
  }
  // Of any age: else one that is past its time is fetched anew.
  if (runner_.settings().is_offline) argv.emplace_back("--cacheonly");
  argv.insert(argv.end(),
              {"--color=never", "--setopt=exit_on_lock=True",
               "--setopt=install_weak_deps=False",
               "--setopt=clean_requirements_on_remove=False",
               // Without a limit no old kernel is removed for a new one.
               "--setopt=installonly_limit=0"});
  return argv;
}

Result<Observation> Dnf::observe(const std::vector<std::string>& names) {
  return observe_rpms(runner_, names);
}

Result<std::vector<Candidate>> Dnf::candidates(
    const std::vector<std::string>& names) {
  TRY_VOID(check_names(names));
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"-q", "repoquery", "--queryformat",
                                 kRepoqueryFormat, "--available"});
  command.insert(command.end(), names.begin(), names.end());
  TRY(const host::Completed completed, runner_.act("list versions", command));
  return parse_dnf_repoquery(completed.out);
}

Result<void> Dnf::refresh() {
  TRY_VOID(check_dnf4(runner_.host()));
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"-y", "--setopt=*.skip_if_unavailable=False",
                                 "makecache", "--refresh"});
  TRY_VOID(runner_.act("refresh package indexes", command));
  return {};
}

Result<std::string> Dnf::shell(const Transaction& wanted,
                               const Observation& before) const {
  std::string script;
  for (const Wanted& package : wanted.remove) {
    script += "remove " + spec_of(package) + "\n";
  }
  for (const Wanted& package : wanted.install) {
    // "install" leaves what is installed as it is, "upgrade" what is not.
    const bool upgrades =
        package.version.empty() && before.find(package.name) != nullptr;
    script += (upgrades ? "upgrade " : "install ") + spec_of(package) + "\n";
  }
  // What a pipe holds; some 1000 packages.
  if (script.size() > 60000) {
    return Error(ErrorCode::kUnsupported,
                 "change packages: too many in one transaction");
  }
  return script + "run\n";
}

std::vector<std::string> Dnf::shell_argv(const Transaction& wanted) const {
  std::vector<std::string> command = argv();
  // What only goes is undone without any mirror: its metadata may be old, and
  // the network or the repository gone.
  if (wanted.install.empty()) command.emplace_back("--disablerepo=*");
  if (wanted.may_change_held) {
    command.emplace_back("--disableplugin=versionlock");
  }
  return command;
}

Result<DnfTable> Dnf::resolve(const Transaction& wanted,
                              const Observation& before) {
  TRY_VOID(check_dnf4(runner_.host()));
  TRY_VOID(check_words(wanted));
  TRY(const std::string script, shell(wanted, before));
  std::vector<std::string> command = shell_argv(wanted);
  command.insert(command.end(), {"--assumeno", "--best", "shell"});
  TRY(const host::Completed completed,
      runner_.act("resolve packages", command, script, has_resolved));
  TRY(DnfTable table, parse_dnf_table(completed.out, before));
  if (const Wanted* package = left_out(wanted, table.changes, before)) {
    Failure failure = explain(Tool::kDnf, all_output(completed));
    failure.evidence = spec_of(*package) + " is left out; " + failure.evidence;
    return to_error(Tool::kDnf, failure, "resolve packages");
  }
  for (const PackageChange& change : table.changes) {
    if (change.kind != ChangeKind::kDowngrade || wanted.may_downgrade) continue;
    return to_error(
        Tool::kDnf,
        {FailureKind::kWouldDowngrade,
         change.name + " " + change.old_version + " to " + change.new_version},
        "resolve packages");
  }
  return table;
}

Result<TransactionPlan> Dnf::simulate(const Transaction& wanted) {
  TRY(const Observation before, observe({}));
  TRY(DnfTable table, resolve(wanted, before));
  TransactionPlan plan;
  plan.request = wanted;
  plan.changes = std::move(table.changes);
  plan.download_bytes = table.download_bytes;
  plan.installed_bytes = table.installed_bytes;
  return plan;
}

Result<void> Dnf::run_plan(const Transaction& exact) {
  std::vector<std::string> command = shell_argv(exact);
  command.emplace_back("-y");
  std::string script;
  ToolRunner::Judge is_done;
  if (exact.remove.empty()) {
    command.emplace_back("install");
    for (const Wanted& package : exact.install) {
      command.push_back(spec_of(package));
    }
  } else {
    TRY(script, shell(exact, {}));
    command.emplace_back("shell");
    is_done = has_resolved;
  }
  TRY(const host::Completed completed,
      runner_.act("change packages", command, script, is_done,
                  [this] { (void)refresh(); }));
  return check_scripts(Tool::kDnf, completed);
}

Result<void> Dnf::mark_dependencies(const TransactionPlan& plan,
                                    const Observation& before) {
  const auto names = new_dependencies(plan, before);
  if (names.empty()) return {};
  // Named on the command line they count as asked for; they were not.
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"-y", "-q", "mark", "remove"});
  command.insert(command.end(), names.begin(), names.end());
  TRY_VOID(runner_.act("mark dependencies", command));
  return {};
}

Applied Dnf::apply(const TransactionPlan& plan) {
  Observation seen;
  return apply_plan(
      plan,
      {[&]() -> Result<Observation> {
         TRY(seen, observe({}));
         return seen;
       },
       [&](const Transaction& exact) -> Result<std::vector<PackageChange>> {
         TRY(DnfTable table, resolve(exact, seen));
         return std::move(table.changes);
       },
       [this](const Transaction& exact) { return run_plan(exact); },
       [&](const Observation& before) {
         return mark_dependencies(plan, before);
       }});
}

Result<void> Dnf::trust(const std::string& key_file) {
  return import_rpm_key(runner_, key_file);
}

Result<std::vector<Hold>> Dnf::holds() {
  std::vector<std::string> command = argv();
  // Locks are a list in a file: no repository is needed to read it.
  command.insert(command.end(),
                 {"-q", "--disablerepo=*", "versionlock", "list"});
  TRY(const host::Completed completed, runner_.act("list holds", command));
  return parse_dnf_locks(completed.out);
}

Result<void> Dnf::hold(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  TRY(const Observation observation, observe(names));
  std::vector<std::string> command = argv();
  command.insert(command.end(),
                 {"-q", "--disablerepo=*", "versionlock", "add"});
  for (const std::string& name : names) {
    const Package* package = observation.find(name);
    if (package == nullptr) {
      return Error(ErrorCode::kNotFound,
                   "hold " + name + ": it is not installed");
    }
    const bool has_epoch = package->version.find(':') != std::string::npos;
    command.push_back(name + "-" + (has_epoch ? "" : "0:") + package->version +
                      ".*");
  }
  TRY_VOID(runner_.act("hold packages", command));
  return {};
}

Result<void> Dnf::release(const std::vector<Hold>& holds) {
  if (holds.empty()) return {};
  std::vector<std::string> command = argv();
  command.insert(command.end(),
                 {"-q", "--disablerepo=*", "versionlock", "delete"});
  for (const Hold& hold : holds) {
    // What a list says is not an option: it begins with a name.
    TRY_VOID(check_names({hold.name}));
    command.push_back(hold.entry);
  }
  TRY_VOID(runner_.act("release packages", command));
  return {};
}

}  // namespace gpunode::packages
