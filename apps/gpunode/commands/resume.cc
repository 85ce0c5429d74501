// gpunode resume: a run goes on after a reboot or a crash.

#include <memory>

#include <CLI/CLI.hpp>

#include "apps/gpunode/commands/apply.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/linux_host.h"
#include "apps/gpunode/commands/output_options.h"
#include "node/provision/pending.h"

namespace gpunode::cli {
namespace {

void resume(ApplyOptions options, Session& session) {
  const host::HostRoot host(options.root);
  if (const auto found = find_linux_host(host); !found) {
    return session.fail(found.error(), ExitCode::kUnsupportedHost);
  }
  const auto pending = provision::read_pending(host);
  if (!pending) return session.fail(pending.error());
  if (!*pending) {
    const auto printed = print(kNoneWaits);
    if (!printed) session.fail(printed.error());
    return;
  }
  // Which run it is counts under the lock alone: until then a rollback may take
  // it away.
  options.resumes = true;
  options.yes = true;
  // Nobody is there to start it again: upgrades of a boot may take their time.
  constexpr unsigned kHalfAnHour = 1800;
  options.lock_wait_seconds = kHalfAnHour;
  apply_node(options, session);
}

}  // namespace

void add_resume(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "resume", "Go on with a run that a reboot or a crash interrupted");
  const auto options = std::make_shared<ApplyOptions>();
  verb->add_option("--root", options->root, "Work on the host mounted here")
      ->capture_default_str();
  verb->add_flag("--json", options->as_json, "One JSON object a line");
  add_no_color(*verb, options->no_color);
  verb->add_flag("--no-reboot", options->never_reboot,
                 "Stop where a reboot is needed, whatever the file says");
  verb->footer(
      "gpunode-resume.service calls this after a boot.\nExit code 0: it is "
      "done, or no run waits; 8: there is no Linux host at that root;\nothers "
      "as those of `gpunode apply`.");
  verb->callback([options, &session] { resume(*options, session); });
}

}  // namespace gpunode::cli
