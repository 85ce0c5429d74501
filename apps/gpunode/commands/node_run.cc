#include "apps/gpunode/commands/node_run.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/commands/plugin_check.h"
#include "base/console/page.h"
#include "base/core/clock.h"
#include "node/facts/observe.h"
#include "node/facts/packages.h"
#include "node/provision/half_driver.h"
#include "node/provision/hand_changes.h"
#include "node/provision/only_steps.h"
#include "node/provision/package_actions.h"
#include "node/provision/packages/lock_holder.h"
#include "node/provision/preflight.h"
#include "node/provision/preflight_facts.h"
#include "node/provision/seen_content.h"
#include "node/provision/spec_file.h"
#include "node/provision/steps/steps.h"
#include "node/provision/storage_choice.h"

namespace gpunode::cli {

using provision::Plan;
using provision::StepState;

void add_node_options(CLI::App& verb, NodeOptions& options) {
  options.spec_path = provision::kDefaultSpecPath;
  add_spec_file(verb, options.spec_path,
                "What the host is to become (kind: GPUNode); conf.d/*.yaml "
                "beside it is merged into it");
  verb.add_option("--root", options.root, "Work on the host mounted here")
      ->capture_default_str();
  verb.add_option("--confirm-wipe", options.confirmed_wipes,
                  "Serial of a disk that may be erased; once for each disk")
      ->allow_extra_args(false);
  verb.add_option("--only", options.only,
                  "Only the Step with this id and what guards it; once for "
                  "each")
      ->allow_extra_args(false);
  verb.add_option("--ignore-preflight", options.ignored_preflight,
                  "Go on although this check of host.preflight fails; once for "
                  "each, or all")
      ->allow_extra_args(false);
  verb.add_flag("--json", options.as_json, "One JSON object a line");
  add_no_color(verb, options.no_color);
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

/// gpunode-runtime where this program is, if it is there: what a node gets of
/// it.
std::string runtime_beside(const host::HostRoot& host,
                           const std::string& program) {
  if (program.empty()) return "";
  const std::string path =
      program.substr(0, program.rfind('/') + 1) + "gpunode-runtime";
  return host.exists(path) ? path : "";
}

}  // namespace

std::string spec_path_of(const NodeOptions& options) {
  return given_path(options.spec_path, options.root);
}

Result<provision::SpecReading> read_node_spec(const NodeOptions& options) {
  if (options.spec_path.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the name of the GPUNode file is empty");
  }
  const host::HostRoot host(options.root);
  auto texts = provision::find_spec_files(host, spec_path_of(options));
  if (!texts) {
    // Not a drop-in that is a link to nowhere.
    const bool is_missing = texts.error().code() == ErrorCode::kNotFound &&
                            !host.exists(spec_path_of(options));
    Error error = std::move(texts).error();
    if (!is_missing) return error;
    return Error(error.code(),
                 error.message() + "; `gpunode init` writes one for this host");
  }
  provision::SpecReading reading = provision::read_spec(*texts);
  if (reading.problems.empty()) {
    reading.problems =
        plugin_config_problems(reading.spec.device_plugin.config);
  }
  if (!reading.problems.empty()) return reading;
  reading.spec.program = program_for_units();
  reading.spec.runtime_program = runtime_beside(host, reading.spec.program);
  reading.spec.path = given_path(options.spec_path);
  for (const provision::SpecText& text : *texts) {
    reading.spec.files[text.file_name] = provision::seen_content(text.text);
  }
  return reading;
}

Result<provision::NodeSpec> load_spec(const NodeOptions& options) {
  TRY(provision::SpecReading reading, read_node_spec(options));
  if (reading.problems.empty()) {
    // The run at boot, which makes a blank disk anew and nothing else: a GPU
    // that has fallen off the bus is nothing against that.
    if (options.blank_only && provision::names_disks_alone(options.only)) {
      reading.spec.gpu = {};
    }
    return std::move(reading.spec);
  }
  for (const provision::SpecProblem& problem : reading.problems) {
    std::fputs((console::printable(problem) + "\n").c_str(), stderr);
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} has {} problem{}; nothing was changed",
                           options.spec_path, reading.problems.size(),
                           reading.problems.size() == 1 ? "" : "s"));
}

namespace {

const std::vector<std::string>& confirmed_wipes(const NodeOptions& options) {
  static const std::vector<std::string> kNone;
  return options.blank_only ? kNone : options.confirmed_wipes;
}

/// At a boot apt-daily and unattended-upgrades run beside us, every time.
/// Whether somebody was waited for, who may have changed packages.
bool wait_for_package_tool(const NodeOptions& options,
                           const facts::OsRelease& os) {
  const auto tool = provision::package_tool(os);
  if (!tool) return false;
  const host::HostRoot host(options.root);
  bool is_told = false;
  std::string who;
  const auto look = [&] {
    auto holders = packages::lock_holders(host, *tool);
    if (!holders.empty()) who = packages::describe(holders.front());
    return holders;
  };
  const auto pause = [&] {
    if (!std::exchange(is_told, true)) {
      std::fputs(fmt::format("waiting for {}, up to {} s\n",
                             console::printable(who), options.lock_wait_seconds)
                     .c_str(),
                 stderr);
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  };
  packages::outlast_holders(look, pause, options.lock_wait_seconds + 1);
  return is_told;
}

/// `checked`, which is about a name on the command line.
Result<void> as_usage(Result<void> checked, Session& session) {
  if (!checked) session.outcome = ExitCode::kUsage;
  return checked;
}

}  // namespace

ExitCode exit_code_of_failure(const Session& session) {
  return session.outcome == ExitCode::kUsage ? ExitCode::kUsage
                                             : ExitCode::kError;
}

Result<NodeView> view_node(const NodeOptions& options, Session& session) {
  const host::HostRoot host(options.root);
  TRY_VOID(as_usage(provision::check_preflight_ids(options.ignored_preflight),
                    session));
  NodeView view;
  view.questions = std::make_unique<host::RememberingRunner>(
      session.runner, facts::is_package_list);
  TRY(view.spec, load_spec(options));
  TRY(provision::JournalText journal, provision::Journal::read(host));
  view.journal = std::move(journal.lines);
  view.steps = provision::steps_for(view.spec, view.journal);
  TRY_VOID(as_usage(provision::keep_only(options.only, view.steps), session));
  view.history = provision::history_of(view.journal);
  TRY(view.facts,
      facts::observe(
          host, *view.questions, provision::wanted_by(view.steps, view.spec),
          provision::look_for_plan(view.history, confirmed_wipes(options))));
  view.plan = provision::make_plan(
      view.steps,
      {view.facts, view.spec, view.history, confirmed_wipes(options)});
  provision::tell_hand_changes(view.journal, view.facts, view.plan);
  provision::tell_half_driver(view.journal, view.facts, view.plan);
  auto needs = provision::preflight_needs(view.plan);
  if (!options.asks_cluster) needs.join.reset();
  if (options.is_run && needs.packages &&
      wait_for_package_tool(options, view.facts.os)) {
    view.questions->forget();
  }
  const auto seen = provision::observe_preflight(
      host, *view.questions, view.facts.os, needs, options.is_run);
  view.plan.steps.insert(
      view.plan.steps.begin(),
      provision::preflight_step(provision::preflight_obstacles(needs, seen),
                                options.ignored_preflight));
  return view;
}

provision::PackageForecasts forecasts_of(const NodeOptions& options,
                                         const NodeView& view) {
  if (options.root != "/") return {};
  return provision::forecast_packages(view.plan, view.facts.os, *view.questions,
                                      provision::package_settings(view.spec),
                                      SystemClock());
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
      facts::observe(
          host::HostRoot(options.root), session.runner,
          (*found)->wants(view.spec),
          provision::look_for_plan(history, confirmed_wipes(options))));
  // What could not be looked at reads like what is not there, and a plan from
  // that like less to do.
  for (const std::string& gap : facts.gaps) {
    if (std::ranges::find(view.facts.gaps, gap) != view.facts.gaps.end()) {
      continue;
    }
    return Error(ErrorCode::kUnavailable,
                 fmt::format("the host could be looked at when this was "
                             "planned, and cannot be now: {}",
                             gap));
  }
  return (*found)->plan({facts, view.spec, history, confirmed_wipes(options)});
}

Result<provision::Plan> replan_all(const NodeOptions& options,
                                   const NodeView& view,
                                   const provision::History& history,
                                   Session& session) {
  TRY(const facts::HostFacts facts,
      facts::observe(
          host::HostRoot(options.root), session.runner,
          provision::wanted_by(view.steps, view.spec),
          provision::look_for_plan(history, confirmed_wipes(options))));
  return provision::make_plan(
      view.steps, {facts, view.spec, history, confirmed_wipes(options)});
}

Result<void> require_root(const NodeOptions& options, const char* command) {
  if (options.root != "/") {
    const bool has_plan = std::string_view(command) == "apply";
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} works on the running host alone: kernel, "
                             "mounts and services of {} are not running; {}",
                             command, options.root,
                             has_plan ? "`gpunode plan --root` shows what it "
                                        "would do"
                                      : "start that host, and run it there"));
  }
  if (::geteuid() == 0) return {};
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("this changes the host: run it as root, `sudo "
                           "gpunode {}`",
                           command));
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
