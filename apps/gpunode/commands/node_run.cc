#include "apps/gpunode/commands/node_run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/facts/observe.h"
#include "node/provision/spec_file.h"
#include "node/provision/steps/steps.h"

namespace gpunode::cli {

using provision::Plan;
using provision::StepState;

void add_node_options(CLI::App& verb, NodeOptions& options) {
  options.spec_path = provision::kDefaultSpecPath;
  verb.add_option("file", options.spec_path,
                  "What the host is to become (kind: GPUNode); conf.d/*.yaml "
                  "beside it is merged into it")
      ->capture_default_str();
  verb.add_option("--root", options.root, "Work on the host mounted here")
      ->capture_default_str();
  verb.add_option("--confirm-wipe", options.confirmed_wipes,
                  "Serial of a disk that may be erased; once for each disk")
      ->allow_extra_args(false);
  verb.add_option("--only", options.only,
                  "Only the Step with this id; once for each")
      ->allow_extra_args(false);
  verb.add_flag("--json", options.as_json, "One JSON object a line");
  verb.add_flag("--no-color", options.no_color, "Never colours");
}

namespace {

/// This program, if it lies where a unit finds it after a boot and where nobody
/// but root puts programs.
std::string program_for_units() {
  auto self = host::HostRoot("/").read_link("/proc/self/exe");
  if (!self || !(self->starts_with("/usr/") || self->starts_with("/opt/"))) {
    return "";
  }
  return *std::move(self);
}

}  // namespace

Result<provision::NodeSpec> load_spec(const NodeOptions& options) {
  const host::HostRoot host(options.root);
  auto texts = provision::find_spec_files(host, options.spec_path);
  if (!texts) {
    const bool is_missing = texts.error().code() == ErrorCode::kNotFound;
    Error error = std::move(texts).error();
    if (!is_missing) return error;
    return Error(error.code(),
                 error.message() + "; `gpunode init` writes one for this host");
  }
  provision::SpecReading reading = provision::read_spec(*texts);
  if (reading.problems.empty()) {
    reading.spec.program = program_for_units();
    reading.spec.path =
        std::filesystem::absolute(options.spec_path).lexically_normal();
    if (options.blank_only) {
      for (auto& entry : reading.spec.storage) entry.wipe_serials.clear();
    }
    return std::move(reading.spec);
  }
  for (const provision::SpecProblem& problem : reading.problems) {
    std::fputs((problem + "\n").c_str(), stderr);
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} has {} problem{}; nothing was changed",
                           options.spec_path, reading.problems.size(),
                           reading.problems.size() == 1 ? "" : "s"));
}

namespace {

/// Takes every Step away that was not named; a name that none has is an Error.
Result<void> keep_only(const std::vector<std::string>& only,
                       provision::Steps& steps) {
  if (only.empty()) return {};
  std::vector<std::string_view> known;
  for (const auto& step : steps) known.push_back(step->id());
  for (const std::string& name : only) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("--only={}: no such Step; there are {}", name,
                             fmt::join(known, ", ")));
  }
  std::erase_if(steps, [&](const auto& step) {
    return std::ranges::find(only, step->id()) == only.end();
  });
  return {};
}

}  // namespace

Result<NodeView> view_node(const NodeOptions& options, Session& session) {
  const host::HostRoot host(options.root);
  NodeView view;
  TRY(view.spec, load_spec(options));
  view.steps = provision::steps_for(view.spec);
  TRY_VOID(keep_only(options.only, view.steps));
  TRY(provision::JournalText journal, provision::Journal::read(host));
  view.journal = std::move(journal.lines);
  view.history = provision::history_of(view.journal);
  TRY(view.facts, facts::observe(host, session.runner,
                                 provision::wanted_by(view.steps, view.spec)));
  view.plan = provision::make_plan(
      view.steps,
      {view.facts, view.spec, view.history, options.confirmed_wipes});
  return view;
}

Result<provision::StepPlan> replan_step(const NodeOptions& options,
                                        const NodeView& view,
                                        const provision::History& history,
                                        Session& session,
                                        std::string_view step) {
  const auto found = std::ranges::find_if(
      view.steps, [&](const auto& one) { return one->id() == step; });
  if (found == view.steps.end()) {
    return Error(ErrorCode::kInternal, fmt::format("no step {}", step));
  }
  TRY(const facts::HostFacts facts,
      facts::observe(host::HostRoot(options.root), session.runner,
                     (*found)->wants(view.spec)));
  return (*found)->plan({facts, view.spec, history, options.confirmed_wipes});
}

console::Terminal terminal_of(const NodeOptions& options,
                              const Session& session) {
  return console::look_at(STDOUT_FILENO, session.environment,
                          !options.no_color);
}

ExitCode exit_code_of(const Plan& plan) {
  if (plan.has(StepState::kRefused)) return ExitCode::kRefusedForSafety;
  if (plan.has(StepState::kBlocked)) return ExitCode::kPersonNeeded;
  return plan.changes() == 0 ? ExitCode::kOk : ExitCode::kChangesPending;
}

}  // namespace gpunode::cli
