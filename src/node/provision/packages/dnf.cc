#include "node/provision/packages/dnf.h"

#include <algorithm>

#include "node/provision/packages/lines.h"
#include "node/provision/packages/plan_applier.h"
#include "node/provision/packages/rpm_database.h"
#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

std::string spec_of(const Wanted& package) {
  return package.version.empty() ? package.name
                                 : package.name + "-" + package.version;
}

/// A shell ends with status 0 whatever happened, and --assumeno with 1 when all
/// is well: what it printed decides.
bool has_resolved(const host::Completed& completed) {
  const std::string output = all_output(completed);
  bool has_ended = false;
  for (std::string_view line : lines_of(output)) {
    // yum's shell prompts whoever asks it.
    while (line.starts_with("> ")) line.remove_prefix(2);
    if (line.starts_with("Error: Operation aborted")) {
      has_ended = true;
    } else if (line.starts_with("Error")) {
      return false;
    }
    has_ended |= line.starts_with("Operation aborted") ||
                 line.starts_with("Exiting on user command") ||
                 line.starts_with("Leaving Shell") ||
                 line.starts_with("Nothing to do") ||
                 line.starts_with("Complete!");
  }
  return has_ended;
}

/// check_names() where "*" may stand for a part of a name.
Result<void> check_patterns(std::vector<std::string> names) {
  for (std::string& name : names) std::erase(name, '*');
  return check_names(names);
}

/// One kind of change and what it is of.
struct Verb {
  std::string_view name;
  std::vector<std::string> packages;
};

/// Removals first. "install" leaves what is installed as it is, "upgrade" what
/// is not.
std::vector<Verb> verbs_of(const Transaction& wanted, const Observation& before,
                           bool has_downgrade) {
  Verb remove{"remove", {}};
  Verb install{"install", {}};
  Verb upgrade{"upgrade", {}};
  Verb downgrade{"downgrade", {}};
  for (const Wanted& package : wanted.remove) {
    remove.packages.push_back(spec_of(package));
  }
  for (const Wanted& package : wanted.install) {
    const bool upgrades =
        package.version.empty() && before.find(package.name) != nullptr;
    (upgrades ? upgrade : install).packages.push_back(spec_of(package));
    const Package* now = before.find(package.name);
    if (has_downgrade && now != nullptr && !package.version.empty() &&
        now->version != package.version) {
      downgrade.packages.push_back(spec_of(package));
    }
  }
  std::vector<Verb> verbs = {remove, install, upgrade, downgrade};
  std::erase_if(verbs, [](const Verb& verb) { return verb.packages.empty(); });
  return verbs;
}

}  // namespace

Dnf::Dnf(ToolRunner runner)
    : runner_(std::move(runner)), dialect_(dnf_dialect(runner_.host())) {}

std::vector<std::string> Dnf::argv() const {
  std::vector<std::string> argv = {std::string(dialect_.program)};
  if (runner_.has_root()) {
    argv.push_back("--installroot=" + runner_.settings().root);
  }
  if (const std::string& only = runner_.settings().only_repository;
      !only.empty()) {
    argv.emplace_back(dialect_.no_repository);
    argv.push_back(std::string(dialect_.with_repository) + only);
  }
  // Of any age: else one that is past its time is fetched anew.
  if (runner_.settings().is_offline) argv.emplace_back("--cacheonly");
  argv.insert(argv.end(), dialect_.options.begin(), dialect_.options.end());
  return argv;
}

std::vector<std::string> Dnf::local_argv() const {
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"-q", std::string(dialect_.no_repository)});
  return command;
}

Result<Observation> Dnf::observe(const std::vector<std::string>& names) {
  return observe_rpms(runner_, names);
}

Result<std::vector<Candidate>> Dnf::candidates(
    const std::vector<std::string>& names) {
  TRY_VOID(check_patterns(names));
  if (dialect_.has_list_alone) return listed(names);
  std::vector<std::string> command = argv();
  command.insert(
      command.end(),
      {"-q", "repoquery", "--queryformat",
       kRepoqueryFormat + std::string(dialect_.query_end), "--available"});
  command.insert(command.end(), names.begin(), names.end());
  TRY(const host::Completed completed, runner_.act("list versions", command));
  return parse_dnf_repoquery(completed.out);
}

Result<std::vector<Candidate>> Dnf::listed(
    const std::vector<std::string>& names) {
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"-q", "--showduplicates", "list"});
  command.insert(command.end(), names.begin(), names.end());
  TRY(const host::Completed completed,
      runner_.act("list versions", command, "",
                  [](const host::Completed& done) {
                    return done.status == 0 ||
                           all_output(done).find("No matching Packages") !=
                               std::string::npos;
                  }));
  return parse_yum_list(completed.out);
}

Result<void> Dnf::refresh() {
  std::vector<std::string> command = argv();
  command.insert(command.end(),
                 {"-y", "--setopt=*.skip_if_unavailable=False", "makecache"});
  if (!dialect_.refresh.empty()) command.emplace_back(dialect_.refresh);
  TRY_VOID(runner_.act("refresh package indexes", command));
  return {};
}

Result<Dnf::Words> Dnf::words(const Transaction& wanted,
                              const Observation& before) const {
  const std::vector<Verb> verbs =
      verbs_of(wanted, before, dialect_.has_downgrade);
  Words words;
  std::size_t size = 0;
  for (const Verb& verb : verbs) {
    if (!dialect_.has_shell) {
      if (verbs.size() == 1) {
        words.argv.emplace_back(verb.name);
      } else {
        if (words.argv.empty()) words.argv.emplace_back("do");
        words.argv.push_back("--action=" + std::string(verb.name));
      }
    }
    for (const std::string& package : verb.packages) {
      size += verb.name.size() + package.size() + 2;
      if (dialect_.has_shell) {
        words.script += std::string(verb.name) + " " + package + "\n";
      } else {
        words.argv.push_back(package);
      }
    }
  }
  // What a pipe holds; some 1000 packages.
  if (size > 60000) {
    return Error(ErrorCode::kUnsupported,
                 "change packages: too many in one transaction");
  }
  if (dialect_.has_shell) {
    words.argv = {"shell"};
    words.script += "run\n";
  }
  return words;
}

std::vector<std::string> Dnf::change_argv(const Transaction& wanted) const {
  std::vector<std::string> command = argv();
  // What only goes is undone without any mirror: its metadata may be old, and
  // the network or the repository gone.
  if (wanted.install.empty()) command.emplace_back(dialect_.no_repository);
  if (wanted.may_change_held) command.emplace_back(dialect_.unlocked);
  return command;
}

Result<DnfTable> Dnf::resolve(const Transaction& wanted,
                              const Observation& before) {
  TRY_VOID(check_words(wanted));
  if (wanted.may_change_held && dialect_.unlocked.empty()) {
    return Error(ErrorCode::kUnsupported,
                 "change packages: dnf 5 can't pass over version locks; next: "
                 "see dnf versionlock list, release what may change, then run "
                 "this again");
  }
  TRY(const Words what, words(wanted, before));
  std::vector<std::string> command = change_argv(wanted);
  command.emplace_back("--assumeno");
  if (!dialect_.best.empty()) command.emplace_back(dialect_.best);
  command.insert(command.end(), what.argv.begin(), what.argv.end());
  TRY(const host::Completed completed,
      runner_.act("resolve packages", command, what.script, has_resolved));
  // dnf 5 tells the totals among its errors.
  TRY(DnfTable table, parse_dnf_table(all_output(completed), before));
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

Result<void> Dnf::run_plan(const Transaction& exact,
                           const Observation& before) {
  TRY(Words what, words(exact, before));
  if (dialect_.has_shell && !dialect_.has_downgrade && exact.remove.empty()) {
    what = {{"install"}, {}};
    for (const Wanted& package : exact.install) {
      what.argv.push_back(spec_of(package));
    }
  }
  std::vector<std::string> command = change_argv(exact);
  command.emplace_back("-y");
  command.insert(command.end(), what.argv.begin(), what.argv.end());
  TRY(const host::Completed completed,
      runner_.act("change packages", command, what.script,
                  what.script.empty() ? ToolRunner::Judge() : has_resolved,
                  [this] { (void)refresh(); }));
  return check_scripts(Tool::kDnf, completed);
}

Result<void> Dnf::mark_dependencies(const TransactionPlan& plan,
                                    const Observation& before) {
  const auto names = new_dependencies(plan, before);
  if (names.empty() || dialect_.as_dependency.empty()) return {};
  // Named on the command line they count as asked for; they were not.
  std::vector<std::string> command = argv();
  command.insert(command.end(),
                 {"-y", "-q", "mark", std::string(dialect_.as_dependency)});
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
       [&](const Transaction& exact) { return run_plan(exact, seen); },
       [&](const Observation& before) {
         return mark_dependencies(plan, before);
       }});
}

Result<void> Dnf::trust(const std::string& key_file) {
  return import_rpm_key(runner_, key_file);
}

}  // namespace gpunode::packages
