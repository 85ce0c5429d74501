// gpunode plan: what would be done to this host.

#include <unistd.h>

#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/node_run.h"
#include "base/core/clock.h"
#include "base/host/file.h"
#include "node/provision/plan_text.h"
#include "node/provision/run_json.h"

namespace gpunode::cli {
namespace {

constexpr mode_t kPlanFileMode = 0600;

constexpr const char* kExamples = R"(
Examples:
  # What would change, with the diffs of files.
  gpunode plan

  # The same for a file under review; every Step and why it is there.
  gpunode plan --all node.yaml

  # Keep it, and later do exactly this or nothing.
  gpunode plan -o today.plan && gpunode apply --plan today.plan

Exit code 0: nothing to do; 2: something is; 3: something is refused because it
would endanger data; 5: a person must act first.)";

struct Options : NodeOptions {
  std::string output;
  bool all = false;
  bool no_diff = false;
};

void run(const Options& options, Session& session) {
  const auto view = view_node(options, session);
  if (!view) {
    return session.fail(view.error(), exit_code_of_failure(session));
  }
  const auto forecasts = forecasts_of(options, *view);
  Result<void> printed;
  if (options.as_json) {
    std::string lines;
    const SystemClock clock;
    provision::RunJson json([&](const std::string& line) { lines += line; },
                            clock);
    json.plan(view->plan, forecasts);
    printed = print(lines);
  } else {
    printed = print(provision::plan_page(view->plan, {.all = options.all,
                                                      .diffs = !options.no_diff,
                                                      .forecasts = forecasts})
                        .render(terminal_of(options, session)));
  }
  if (!printed) return session.fail(printed.error());
  if (!options.output.empty()) {
    const auto written = host::write_file_atomic(
        options.output, provision::plan_file(view->plan), kPlanFileMode,
        host::Durability::kDurable);
    if (!written) return session.fail(written.error());
  }
  session.outcome = forecasts.has_refusal() ? ExitCode::kRefusedForSafety
                                            : exit_code_of(view->plan);
}

}  // namespace

void add_plan(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "plan", "Show what would be done to make this host a node");
  const auto options = std::make_shared<Options>();
  add_node_options(*verb, *options);
  verb->add_option("-o,--output", options->output,
                   "Write the plan to this file as well");
  verb->add_flag("--all", options->all,
                 "Steps that are as they should be, too, and reasons");
  verb->add_flag("--no-diff", options->no_diff, "No diffs of files");
  verb->footer(kExamples);
  verb->callback([options, &session] { run(*options, session); });
}

}  // namespace gpunode::cli
