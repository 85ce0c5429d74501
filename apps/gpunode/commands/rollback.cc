// gpunode rollback: what was done is undone.

#include "node/provision/rollback.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/gpunode/commands/apply.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/live_run.h"
#include "base/console/page.h"
#include "base/core/waiting_clock.h"
#include "base/host/watched_command_runner.h"
#include "node/facts/observe.h"
#include "node/provision/conffiles_left.h"
#include "node/provision/host_performer.h"
#include "node/provision/package_actions.h"
#include "node/provision/pending.h"
#include "node/provision/run_json.h"
#include "node/provision/run_lock.h"
#include "node/provision/run_text.h"
#include "node/provision/spec_file.h"

namespace gpunode::cli {
namespace {

struct Options : NodeOptions {
  std::optional<std::uint64_t> to;
  std::string step;
  bool yes = false;
  bool dry_run = false;
  bool overwrite_drift = false;
};

constexpr const char* kExamples = R"(
Examples:
  # What would be undone, the latest first.
  gpunode rollback --dry-run

  # Everything, back to how the host was.
  gpunode rollback --yes

  # One step, or what came after one line of the journal.
  gpunode rollback --step prep.swap
  gpunode rollback --to 41

Files, units, mounts and settings come back as they were; packages are removed
again ("compensated"); a disk keeps its content unless its serial is given with
--confirm-wipe. A file that somebody changed since is not touched without
--overwrite-drift.)";

console::Page page_of(const std::vector<provision::Undoing>& plan) {
  console::Page page;
  std::size_t undone = 0;
  for (const provision::Undoing& one : plan) {
    const auto style =
        one.left ? console::Style::kWarning : console::Style::kPlain;
    if (!one.left) ++undone;
    const char* quality =
        one.line.undo == provision::Undo::kCompensating ? " (compensated)" : "";
    page.line(0,
              fmt::format("{} {:>4} {:<18} {}{}", one.left ? '=' : '-',
                          one.line.seq, one.line.step,
                          provision::describe(*one.line.action), quality),
              style);
    if (one.left) page.line(6, one.why, style);
  }
  page.line(0, fmt::format("{} to undo, {} left as they are", undone,
                           plan.size() - undone));
  return page;
}

provision::RunJson json_lines() {
  return {[](const std::string& line) {
            std::fputs(line.c_str(), stdout);
            std::fflush(stdout);
          },
          SystemWaitingClock::instance()};
}

bool has_work(const std::vector<provision::Undoing>& plan) {
  return std::ranges::any_of(plan, [](const auto& one) { return !one.left; });
}

/// How the file says that packages are fetched: older versions may have to come
/// back. A host that is to be as before may have lost its file, and one that is
/// broken must not be in the way.
packages::Settings fetch_settings(const Options& options) {
  const auto reading = read_node_spec(options);
  const bool is_good = reading && reading->problems.empty();
  if (!is_good &&
      !(options.spec_path == provision::kDefaultSpecPath && !reading &&
        reading.error().code() == ErrorCode::kNotFound)) {
    fmt::print(stderr,
               "gpunode: warning: no proxy of {} is used: {}; `gpunode "
               "validate` says what to mend\n",
               harmless(options.spec_path),
               reading ? "the file has problems"
                       : harmless(reading.error().message()));
  }
  if (!is_good) return {};
  packages::Settings settings = provision::package_settings(reading->spec);
  // What was there before came from any repository, and that of a bundle may be
  // undone before this.
  settings.only_repository.clear();
  return settings;
}

template <class Follower>
Result<void> undo_watched(const Options& options,
                          const std::vector<provision::Undoing>& plan,
                          const host::HostRoot& host,
                          provision::Journal& journal, bool is_systemd_stale,
                          host::CommandRunner& quiet, Follower& follower) {
  LiveRun live(follower, SystemWaitingClock::instance());
  host::WatchedCommandRunner runner(live);
  provision::HostPerformer performer(
      host, runner,
      {.overwrite_drift = options.overwrite_drift,
       .packages = fetch_settings(options),
       .is_systemd_stale = is_systemd_stale,
       .watch = &live,
       .cluster = {.quiet_runner = &quiet}});
  return provision::roll_back(plan, performer, journal, live);
}

/// What dpkg keeps of packages that were removed stands for a person to see.
Result<void> tell_left(const Options& options,
                       const std::vector<provision::Undoing>& plan,
                       const host::HostRoot& host, const Session& session) {
  const auto left = provision::conffiles_left(host, plan);
  if (options.as_json) {
    provision::RunJson json = json_lines();
    json.left(left);
    return {};
  }
  if (left.empty()) return {};
  console::Page page;
  page.line(0, "Left, since dpkg keeps what packages are configured with:");
  for (const provision::LeftConffiles& one : left) {
    page.line(2,
              fmt::format("{}: {}", one.package, fmt::join(one.files, ", ")));
  }
  page.line(0,
            "`dpkg --purge PACKAGE` takes that away too, and what else the "
            "package's scripts delete: its data may be among it.");
  return print(page.render(terminal_of(options, session)));
}

/// Undoes what the plan has, as a run of its own; or ends the run `cut_off`,
/// which had nothing more to undo.
Result<void> carry_out(const Options& options,
                       const std::vector<provision::Undoing>& plan,
                       const host::HostRoot& host, provision::Journal& journal,
                       const std::string& cut_off, Session& session) {
  const bool ends = !has_work(plan) && !cut_off.empty();
  const bool is_systemd_stale = !cut_off.empty();
  TRY_VOID(journal.start(ends ? cut_off : new_run_name(),
                         provision::kRollbackCommand));
  // What is undone must not be gone on with: not even where this is cut off.
  TRY_VOID(provision::remove_pending(host));
  const SystemWaitingClock& clock = SystemWaitingClock::instance();
  provision::RunText text(
      stdout, [&] { return terminal_of(options, session); }, clock);
  provision::RunJson json = json_lines();
  const Result<void> undone =
      options.as_json ? undo_watched(options, plan, host, journal,
                                     is_systemd_stale, session.runner, json)
                      : undo_watched(options, plan, host, journal,
                                     is_systemd_stale, session.runner, text);
  const auto ended = journal.append(
      {.event = provision::JournalEvent::kEnd,
       .note = undone ? "done" : "failed " + undone.error().message()});
  TRY_VOID(undone);
  TRY_VOID(ended);
  return tell_left(options, plan, host, session);
}

/// A name or number that is not in the journal is a slip, not "nothing to do".
Result<void> expect_known(const std::vector<provision::JournalLine>& lines,
                          const Options& options) {
  const auto has_step = [&] {
    return std::ranges::any_of(lines, [&](const provision::JournalLine& line) {
      return line.event == provision::JournalEvent::kBegin &&
             line.step == options.step;
    });
  };
  if (!options.step.empty() && !has_step()) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("--step={}: no run has begun this Step, so nothing "
                    "was undone; `gpunode rollback --dry-run` shows "
                    "what there is to undo",
                    options.step));
  }
  if (options.to && *options.to > lines.size()) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("--to={}: the journal ends with {}, so nothing was "
                    "undone; `gpunode rollback --dry-run` shows the "
                    "numbers",
                    *options.to, lines.size()));
  }
  return {};
}

/// What there is to undo of these lines, as far as told.
Result<std::vector<provision::Undoing>> look(
    const std::vector<provision::JournalLine>& lines, const Options& options) {
  TRY_VOID(expect_known(lines, options));
  const auto unknown =
      provision::unknown_serials(lines, options.confirmed_wipes);
  if (!unknown.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("--confirm-wipe={}: no disk that gpunode made has "
                             "this serial, so nothing was undone; `gpunode "
                             "rollback --dry-run` shows which it made",
                             unknown.front()));
  }
  return provision::plan_rollback(lines, {options.to, options.step},
                                  options.confirmed_wipes);
}

Result<void> show(const Options& options,
                  const std::vector<provision::Undoing>& plan,
                  const Session& session) {
  if (options.as_json) {
    provision::RunJson json = json_lines();
    json.rollback(plan);
    return {};
  }
  return print(page_of(plan).render(terminal_of(options, session)));
}

Result<void> undo(const Options& options, Session& session) {
  const host::HostRoot host(options.root);
  if (options.dry_run && options.root == "/" && ::geteuid() != 0) {
    return Error(ErrorCode::kPermissionDenied,
                 "what was done to this host is root's to read: run it as "
                 "root, `sudo gpunode rollback --dry-run`; it changes nothing");
  }
  TRY_VOID(require_root(options, "rollback"));
  // As apply does.
  constexpr mode_t kOthersMayRead = 022;
  ::umask(kOthersMayRead);
  auto lock = provision::RunLock::take(host, "gpunode rollback");
  if (!lock) {
    session.fail(lock.error(), ExitCode::kLocked);
    return {};
  }
  if (options.dry_run) {
    // Not opened: that would mend its end.
    TRY(const provision::JournalText text, provision::Journal::read(host));
    TRY(const auto plan, look(text.lines, options));
    return show(options, plan, session);
  }
  TRY(const facts::HostFacts facts, facts::observe(host, session.runner, {}));
  TRY(provision::Journal journal,
      provision::Journal::open(host, facts.kernel.boot_id));
  TRY(const auto plan, look(journal.lines(), options));
  TRY_VOID(show(options, plan, session));
  const std::string cut_off = provision::cut_off_rollback(journal.lines());
  if (!has_work(plan) && cut_off.empty()) return {};
  if (!options.yes) {
    session.fail(
        Error(ErrorCode::kInvalidArgument,
              has_work(plan) ? "nothing was undone: add --yes to do it"
                             : "all is undone, but the rollback was cut off "
                               "before its end: add --yes to end it"),
        ExitCode::kPersonNeeded);
    return {};
  }
  return carry_out(options, plan, host, journal, cut_off, session);
}

}  // namespace

void add_rollback(CLI::App& gpunode, Session& session) {
  CLI::App* verb =
      gpunode.add_subcommand("rollback", "Undo what apply did to this host");
  const auto options = std::make_shared<Options>();
  options->spec_path = provision::kDefaultSpecPath;
  verb->add_option("-f,--file", options->spec_path,
                   "The file of apply: its spec.proxy is used for what has to "
                   "be fetched again")
      ->capture_default_str();
  verb->add_option("--root", options->root, "Work on the host mounted here")
      ->capture_default_str();
  verb->add_option("--to", options->to,
                   "Undo only what came after this line of the journal");
  verb->add_option("--step", options->step, "Undo only this step");
  verb->add_option("--confirm-wipe", options->confirmed_wipes,
                   "Serial of a disk to erase again; once for each disk")
      ->allow_extra_args(false);
  verb->add_flag("--dry-run", options->dry_run, "Only show it");
  verb->add_flag("-y,--yes", options->yes, "Do it");
  verb->add_flag("--overwrite-drift", options->overwrite_drift,
                 "Put back files that somebody changed since");
  verb->add_flag("--json", options->as_json, "One JSON object a line");
  add_no_color(*verb, options->no_color);
  verb->footer(kExamples);
  verb->callback([options, &session] {
    if (const auto done = undo(*options, session); !done) {
      session.fail(done.error());
    }
  });
}

}  // namespace gpunode::cli
