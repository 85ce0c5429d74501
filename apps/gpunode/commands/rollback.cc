// gpunode rollback: what was done is undone.

#include "node/provision/rollback.h"

#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/apply.h"
#include "apps/gpunode/commands/commands.h"
#include "base/console/page.h"
#include "base/core/clock.h"
#include "node/facts/observe.h"
#include "node/provision/host_performer.h"
#include "node/provision/pending.h"
#include "node/provision/run_json.h"
#include "node/provision/run_lock.h"
#include "node/provision/run_text.h"

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

Result<void> undo(const Options& options, Session& session) {
  const host::HostRoot host(options.root);
  TRY_VOID(require_root(options, "rollback"));
  constexpr mode_t kOwnerOnly = 077;
  ::umask(kOwnerOnly);
  auto lock = provision::RunLock::take(host, "gpunode rollback");
  if (!lock) {
    session.fail(lock.error(), ExitCode::kLocked);
    return {};
  }
  TRY(const facts::HostFacts facts, facts::observe(host, session.runner, {}));
  TRY(provision::Journal journal,
      provision::Journal::open(host, facts.kernel.boot_id));
  const auto plan = provision::plan_rollback(
      journal.lines(), {options.to, options.step}, options.confirmed_wipes);
  if (!options.as_json) {
    TRY_VOID(print(page_of(plan).render(terminal_of(options, session))));
  }
  const bool has_work =
      std::ranges::any_of(plan, [](const auto& one) { return !one.left; });
  if (options.dry_run || !has_work) return {};
  if (!options.yes) {
    session.fail(Error(ErrorCode::kInvalidArgument,
                       "nothing was undone: add --yes to do it"),
                 ExitCode::kPersonNeeded);
    return {};
  }
  TRY_VOID(journal.start(new_run_name(), "rollback"));
  provision::HostPerformer performer(
      host, session.runner, {.overwrite_drift = options.overwrite_drift});
  const SystemClock clock;
  provision::RunText text(stdout, terminal_of(options, session), clock);
  provision::RunJson json(
      [](const std::string& line) { std::fputs(line.c_str(), stdout); });
  provision::RollbackObserver& observer =
      options.as_json ? static_cast<provision::RollbackObserver&>(json) : text;
  TRY_VOID(provision::roll_back(plan, performer, journal, observer));
  // What was undone must not be gone on with.
  return provision::remove_pending(host);
}

}  // namespace

void add_rollback(CLI::App& gpunode, Session& session) {
  CLI::App* verb =
      gpunode.add_subcommand("rollback", "Undo what apply did to this host");
  const auto options = std::make_shared<Options>();
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
  verb->add_flag("--no-color", options->no_color, "Never colours");
  verb->footer(kExamples);
  verb->callback([options, &session] {
    if (const auto done = undo(*options, session); !done) {
      session.fail(done.error());
    }
  });
}

}  // namespace gpunode::cli
