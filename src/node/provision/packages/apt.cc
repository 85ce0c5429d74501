#include "node/provision/packages/apt.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/core/ascii.h"
#include "node/facts/packages.h"
#include "node/provision/packages/apt_output.h"
#include "node/provision/packages/lines.h"
#include "node/provision/packages/plan_applier.h"

namespace gpunode::packages {
namespace {

constexpr const char* kAptGet = "/usr/bin/apt-get";
constexpr const char* kAptCache = "/usr/bin/apt-cache";
constexpr const char* kAptMark = "/usr/bin/apt-mark";

/// An index that was not fetched is a warning and exit status 0 to apt-get:
/// it goes on with the old one, or with none.
bool is_refreshed(const host::Completed& completed) {
  if (completed.status != 0) return false;
  const std::string output = all_output(completed);
  for (const std::string_view line : lines_of(output)) {
    if (line.starts_with("Err:") || line.starts_with("W: Failed to fetch") ||
        line.starts_with("W: GPG error") ||
        line.starts_with("W: Some index files failed")) {
      return false;
    }
  }
  return true;
}

/// apt-cache's output must fit what is kept of a program's (1 MiB); an entry
/// is 1 to 3 KiB.
constexpr std::size_t kShownAtOnce = 200;

}  // namespace

std::vector<std::string> Apt::argv(const char* program) const {
  std::vector<std::string> argv = {program};
  if (runner_.settings().is_offline) {
    // Else root's questions bring the cache of the indexes up to date and
    // leave what was resolved in a log, eipp.log.xz.
    argv.insert(argv.end(),
                {"-o", "Dir::Cache::pkgcache=", "-o",
                 "Dir::Cache::srcpkgcache=", "-o", "Dir::Log::Planner="});
  }
  const std::string& root = runner_.settings().root;
  if (const std::string& only = runner_.settings().only_repository;
      !only.empty()) {
    // Indexes of the others stay, for when they are asked again.
    argv.insert(argv.end(),
                {"-o",
                 "Dir::Etc::sourcelist=" + (runner_.has_root() ? root : "") +
                     "/etc/apt/sources.list.d/" + only + ".list",
                 "-o", "Dir::Etc::sourceparts=/dev/null", "-o",
                 "APT::Get::List-Cleanup=false"});
  }
  if (!runner_.has_root()) return argv;
  for (const std::string& option :
       {"Dir=" + root, "Dir::State::status=" + root + "/var/lib/dpkg/status",
        "DPkg::Options::=--root=" + root}) {
    argv.emplace_back("-o");
    argv.push_back(option);
  }
  return argv;
}

Result<Observation> Apt::observe(const std::vector<std::string>& names) {
  TRY_VOID(check_names(names));
  std::vector<std::string> command = facts::dpkg_list_argv();
  const std::string& root = runner_.settings().root;
  if (runner_.has_root()) {
    command.insert(command.begin() + 1, "--admindir=" + root + "/var/lib/dpkg");
  }
  TRY(const host::Completed completed, runner_.ask(command));
  // 1 with nothing said: there is no package at all.
  if (completed.status != 0 && !completed.out.empty()) {
    return to_error(Tool::kApt, explain(Tool::kApt, completed.err),
                    "read dpkg's database");
  }
  TRY(Observation observation, parse_dpkg_list(completed.out));
  // dpkg's journal: numbered files that it merges at the end.
  const auto updates = runner_.system().list_directory("/var/lib/dpkg/updates");
  if (updates && std::any_of(updates->begin(), updates->end(),
                             [](const std::string& name) {
                               return std::all_of(name.begin(), name.end(),
                                                  is_digit);
                             })) {
    observation.troubles.push_back(
        {"dpkg was interrupted; its journal is not merged",
         "dpkg --configure -a"});
  }
  if (!names.empty()) {
    std::erase_if(observation.installed, [&names](const Package& package) {
      return std::find(names.begin(), names.end(), package.name) == names.end();
    });
  }
  return observation;
}

Result<std::vector<Candidate>> Apt::candidates(
    const std::vector<std::string>& names) {
  TRY_VOID(check_names(names));
  std::vector<std::string> command = argv(kAptCache);
  command.emplace_back("madison");
  command.insert(command.end(), names.begin(), names.end());
  TRY(const host::Completed completed, runner_.ask(command));
  // 100 when a name is known to nobody, though the others are told.
  if (completed.status != 0 && completed.out.empty() &&
      completed.err.find("Unable to locate package") == std::string::npos) {
    return to_error(Tool::kApt, explain(Tool::kApt, all_output(completed)),
                    "list versions");
  }
  return parse_apt_madison(completed.out);
}

Result<void> Apt::refresh() {
  std::vector<std::string> command = argv(kAptGet);
  // We repeat ourselves, with pauses in between.
  command.insert(command.end(), {"-q", "-o", "Acquire::Retries=0", "-o",
                                 "DPkg::Lock::Timeout=0", "update"});
  TRY_VOID(runner_.act("refresh package indexes", command, "", is_refreshed));
  return {};
}

std::vector<std::string> Apt::change_argv(const Transaction& wanted,
                                          bool is_real) const {
  std::vector<std::string> command = argv(kAptGet);
  command.insert(
      command.end(),
      {is_real ? "-y" : "-s", "-q", "--no-install-recommends", "-o",
       "APT::Get::AutomaticRemove=false", "-o", "Acquire::Retries=0", "-o",
       "DPkg::Lock::Timeout=0", "-o", "Dpkg::Options::=--force-confdef", "-o",
       "Dpkg::Options::=--force-confold"});
  if (wanted.may_downgrade) command.emplace_back("--allow-downgrades");
  if (wanted.may_change_held) {
    command.emplace_back("--allow-change-held-packages");
  }
  if (is_real && wanted.remove.empty()) command.emplace_back("--no-remove");
  command.emplace_back("install");
  for (const Wanted& package : wanted.install) {
    command.push_back(package.version.empty()
                          ? package.name
                          : package.name + "=" + package.version);
  }
  for (const Wanted& package : wanted.remove) {
    command.push_back(package.name + "-");
  }
  return command;
}

Result<std::string> Apt::simulated(Transaction wanted) {
  // Exact versions of drivers need exact versions of their libraries, these of
  // others: apt names one layer at a time.
  constexpr int kMaxLayers = 8;
  for (int layer = 0;; ++layer) {
    TRY(const host::Completed completed,
        runner_.act("resolve packages", change_argv(wanted, false), "",
                    [](const host::Completed& done) {
                      return done.status == 0 ||
                             explain(Tool::kApt, all_output(done)).kind ==
                                 FailureKind::kUnmet;
                    }));
    if (completed.status == 0) return completed.out;
    bool has_more = false;
    for (Wanted& need : exact_needs(completed.out)) {
      const auto is_known = [&need](const Wanted& one) {
        return one.name == need.name;
      };
      if (std::any_of(wanted.install.begin(), wanted.install.end(), is_known)) {
        continue;
      }
      wanted.install.push_back(std::move(need));
      has_more = true;
    }
    if (has_more && layer < kMaxLayers) {
      TRY_VOID(check_words(wanted));
      continue;
    }
    return to_error(Tool::kApt, explain(Tool::kApt, all_output(completed)),
                    "resolve packages");
  }
}

Result<std::vector<PackageChange>> Apt::resolve(const Transaction& wanted,
                                                TransactionPlan* plan) {
  TRY_VOID(check_words(wanted));
  TRY(const std::string output, simulated(wanted));
  TRY(AptSimulation simulation, parse_apt_simulation(output));
  // With -s a change of what is held passes; without, -y refuses it.
  if (!wanted.may_change_held &&
      output.find("The following held packages will be changed") !=
          std::string::npos) {
    return to_error(Tool::kApt,
                    {FailureKind::kHeld, "held packages would be changed"},
                    "resolve packages");
  }
  for (const PackageChange& change : simulation.changes) {
    if (change.kind != ChangeKind::kDowngrade || wanted.may_downgrade) continue;
    return to_error(
        Tool::kApt,
        {FailureKind::kWouldDowngrade,
         change.name + " " + change.old_version + " to " + change.new_version},
        "resolve packages");
  }
  if (plan != nullptr) plan->finishes = std::move(simulation.finishes);
  return std::move(simulation.changes);
}

Result<TransactionPlan> Apt::simulate(const Transaction& wanted) {
  TransactionPlan plan;
  plan.request = wanted;
  TRY(plan.changes, resolve(wanted, &plan));
  std::vector<std::string> ids;
  for (const PackageChange& change : plan.changes) {
    if (change.new_version.empty()) continue;
    ids.push_back(change.name + "=" + change.new_version);
  }
  std::map<std::pair<std::string, std::string>, DebSizes> sizes;
  for (std::size_t at = 0; at < ids.size(); at += kShownAtOnce) {
    std::vector<std::string> command = argv(kAptCache);
    command.emplace_back("show");
    command.insert(command.end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                   ids.begin() + static_cast<std::ptrdiff_t>(
                                     std::min(at + kShownAtOnce, ids.size())));
    // Sizes are for people: without them the plan is still a plan.
    TRY(const host::Completed shown, runner_.ask(command));
    sizes.merge(parse_apt_show(shown.out));
  }
  TRY(const Observation before, observe({}));
  std::uint64_t download = 0;
  std::int64_t installed = 0;
  for (PackageChange& change : plan.changes) {
    if (!change.old_version.empty()) {
      const Package* old = before.find(change.name);
      if (old != nullptr) {
        installed -= static_cast<std::int64_t>(old->installed_bytes);
      }
    }
    // apt-cache names a package without its foreign architecture.
    const std::string bare = change.name.substr(0, change.name.find(':'));
    const auto size = sizes.find({bare, change.new_version});
    if (size == sizes.end()) continue;
    change.download_bytes = size->second.download;
    download += size->second.download;
    installed += static_cast<std::int64_t>(size->second.installed);
  }
  plan.download_bytes = download;
  plan.installed_bytes = installed;
  return plan;
}

Result<void> Apt::run_plan(const TransactionPlan& plan) {
  TRY_VOID(runner_.act("change packages", change_argv(pinned(plan), true), "",
                       {}, [this] { (void)refresh(); }));
  return {};
}

Result<void> Apt::mark_dependencies(const TransactionPlan& plan,
                                    const Observation& before) {
  const auto names = new_dependencies(plan, before);
  if (names.empty()) return {};
  // Named on the command line they count as asked for; they were not.
  std::vector<std::string> command = argv(kAptMark);
  command.emplace_back("auto");
  command.insert(command.end(), names.begin(), names.end());
  TRY_VOID(runner_.act("mark dependencies", command));
  return {};
}

Result<void> Apt::hold_again(const std::vector<PackageChange>& changed,
                             const Observation& before) {
  // dpkg forgets the hold of what it installs.
  std::vector<std::string> names;
  for (const PackageChange& change : changed) {
    const Package* package = before.find(change.name);
    if (package != nullptr && package->is_held && !change.new_version.empty()) {
      names.push_back(change.name);
    }
  }
  return hold(names);
}

Applied Apt::apply(const TransactionPlan& plan) {
  std::optional<Observation> before;
  Applied applied = apply_plan(
      plan,
      {[&]() -> Result<Observation> {
         TRY(Observation now, observe({}));
         if (!before) before = now;
         return now;
       },
       [this](const Transaction& exact) { return resolve(exact, nullptr); },
       [&](const Transaction&) { return run_plan(plan); },
       [&](const Observation& was) { return mark_dependencies(plan, was); }});
  if (before) {
    auto held = hold_again(applied.changed, *before);
    if (applied.outcome && !held) applied.outcome = std::move(held).error();
  }
  return applied;
}

Result<void> Apt::trust(const std::string&) {
  return {};
}

Result<std::vector<Hold>> Apt::holds() {
  std::vector<std::string> command = argv(kAptMark);
  command.emplace_back("showhold");
  TRY(const host::Completed completed, runner_.ask(command));
  if (completed.status != 0) {
    return to_error(Tool::kApt, explain(Tool::kApt, completed.err),
                    "list holds");
  }
  std::vector<Hold> holds;
  for (const std::string_view name : words_of(completed.out)) {
    holds.push_back({std::string(name), std::string(name)});
  }
  return holds;
}

Result<void> Apt::hold(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  TRY(const Observation observation, observe(names));
  for (const std::string& name : names) {
    if (observation.find(name) != nullptr) continue;
    return Error(ErrorCode::kNotFound,
                 "hold " + name + ": it is not installed");
  }
  std::vector<std::string> command = argv(kAptMark);
  command.emplace_back("hold");
  command.insert(command.end(), names.begin(), names.end());
  TRY_VOID(runner_.act("hold packages", command));
  return {};
}

Result<void> Apt::release(const std::vector<Hold>& holds) {
  if (holds.empty()) return {};
  std::vector<std::string> command = argv(kAptMark);
  command.emplace_back("unhold");
  for (const Hold& hold : holds) {
    TRY_VOID(check_names({hold.entry}));
    command.push_back(hold.entry);
  }
  TRY_VOID(runner_.act("release packages", command));
  return {};
}

}  // namespace gpunode::packages
