// gpunode leave: the host is no node of its cluster any more.

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/apply.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/commands/run_outcome.h"
#include "apps/gpunode/commands/stop_signals.h"
#include "apps/gpunode/live_run.h"
#include "base/core/waiting_clock.h"
#include "base/host/watched_command_runner.h"
#include "node/facts/observe.h"
#include "node/provision/executor.h"
#include "node/provision/host_performer.h"
#include "node/provision/journal.h"
#include "node/provision/leaving.h"
#include "node/provision/run_json.h"
#include "node/provision/run_lock.h"
#include "node/provision/run_text.h"

namespace gpunode::cli {
namespace {

using provision::Membership;

constexpr const char* kStep = "kubernetes.join";

struct Options : NodeOptions {
  bool yes = false;
  bool force = false;
};

constexpr const char* kExamples = R"(
Examples:
  # On an admin's machine: move its Pods away.
  kubectl drain NODE --ignore-daemonsets --delete-emptydir-data

  # On the host.
  gpunode leave

  # On an admin's machine: the cluster forgets it.
  kubectl delete node NODE

Pods that still run here end, and what they keep on the node itself is lost. A
host that was joined by somebody else is left alone without --force, a control
plane always. To join again, `gpunode apply` with a token of that day.)";

/// What will be, for a person.
std::string page_of(const Membership& membership) {
  const std::string node = membership.node.empty() ? "NODE" : membership.node;
  std::string text = fmt::format(
      "{} leaves {}: its kubelet and all Pods on it end, and what they keep on "
      "the node itself is lost.\nFirst, with an admin's kubeconfig, if that is "
      "not done yet:\n  kubectl drain {} --ignore-daemonsets "
      "--delete-emptydir-data\nAfterwards:\n  kubectl delete node {}\nWhat "
      "stays on the host:\n",
      node,
      membership.server.empty() ? "a join that was half done"
                                : membership.server,
      node, node);
  for (const std::string& left : provision::left_behind()) {
    text += "  " + left + "\n";
  }
  return text;
}

bool says_yes() {
  std::fputs("Leave the cluster now? [y/N] ", stdout);
  std::fflush(stdout);
  std::array<char, 16> answer{};
  if (std::fgets(answer.data(), static_cast<int>(answer.size()), stdin) ==
      nullptr) {
    return false;
  }
  const std::string text(answer.data());
  return text == "y\n" || text == "yes\n";
}

/// Nothing: it may be done. Otherwise why not, and session.outcome is set.
bool may_leave(const Options& options, const Membership& membership,
               const std::vector<provision::JournalLine>& lines,
               Session& session) {
  if (membership.is_control_plane) {
    session.fail(
        Error(ErrorCode::kPermissionDenied,
              "this host is a control plane, and others' nodes may hang on it; "
              "nothing was done; next: `kubeadm reset` by hand, after `kubectl "
              "get nodes` shows that another one is there"),
        ExitCode::kRefusedForSafety);
    return false;
  }
  if (!provision::is_joined_by_us(lines) && !options.force) {
    session.fail(
        Error(ErrorCode::kPermissionDenied,
              "this host was not made a node by gpunode; nothing was done; "
              "next: `kubeadm reset`, or --force to leave all the same"),
        ExitCode::kRefusedForSafety);
    return false;
  }
  if (options.yes) return true;
  if (::isatty(STDIN_FILENO) == 1 && !options.as_json) {
    if (says_yes()) return true;
    session.outcome = ExitCode::kPersonNeeded;
    return false;
  }
  session.fail(Error(ErrorCode::kInvalidArgument,
                     "nothing was done: add --yes to leave"),
               ExitCode::kPersonNeeded);
  return false;
}

provision::Plan plan_of(const Membership& membership) {
  provision::PlannedStep step;
  step.id = kStep;
  step.title = "the host is a node of no cluster";
  step.plan.state = provision::StepState::kChange;
  step.plan.actions.emplace_back(provision::LeaveCluster{membership.node});
  provision::Plan plan;
  plan.node = membership.node;
  plan.steps.push_back(std::move(step));
  return plan;
}

template <class Follower>
provision::RunOutcome leave_watched(const host::HostRoot& host,
                                    const provision::Plan& plan,
                                    provision::Journal& journal,
                                    Session& session, Follower& follower) {
  LiveRun live(follower, SystemWaitingClock::instance());
  host::WatchedCommandRunner runner(live);
  provision::HostPerformer performer(
      host, runner,
      {.watch = &live, .cluster = {.quiet_runner = &session.runner}});
  const auto replan =
      [&](std::string_view /*step*/) -> Result<provision::StepPlan> {
    if (provision::look_at_membership(host).has_traces) {
      return plan.steps.front().plan;
    }
    return provision::StepPlan::ok();
  };
  return provision::execute(plan, performer, journal, replan, live,
                            stop_on_signals());
}

Result<void> carry_out(const Options& options, const host::HostRoot& host,
                       const Membership& membership,
                       provision::Journal& journal, Session& session) {
  TRY_VOID(journal.start(new_run_name(), "leave"));
  const SystemWaitingClock& clock = SystemWaitingClock::instance();
  const provision::Plan plan = plan_of(membership);
  provision::RunText text(
      stdout, [&] { return terminal_of(options, session); }, clock);
  provision::RunJson json(
      [](const std::string& line) {
        std::fputs(line.c_str(), stdout);
        std::fflush(stdout);
      },
      clock);
  const provision::RunOutcome outcome =
      options.as_json ? leave_watched(host, plan, journal, session, json)
                      : leave_watched(host, plan, journal, session, text);
  session.outcome = exit_code_of(outcome.end);
  TRY_VOID(journal.append(
      {.event = provision::JournalEvent::kEnd,
       .step = outcome.step,
       .note = fmt::format("{} {}", provision::end_name(outcome.end),
                           outcome.message)}));
  if (options.as_json) {
    json.outcome(outcome);
    return {};
  }
  if (outcome.end != provision::RunEnd::kDone) {
    return print(harmless(recap(outcome, false)));
  }
  return print(
      fmt::format("This host is a node of no cluster. `kubectl delete "
                  "node {}` makes the cluster forget it.\n",
                  harmless(membership.node)));
}

Result<void> leave(const Options& options, Session& session) {
  const host::HostRoot host(options.root);
  TRY_VOID(require_root(options, "leave"));
  // As apply does.
  constexpr mode_t kOthersMayRead = 022;
  ::umask(kOthersMayRead);
  auto lock = provision::RunLock::take(host, "gpunode leave");
  if (!lock) {
    session.fail(lock.error(), ExitCode::kLocked);
    return {};
  }
  const Membership membership = provision::look_at_membership(host);
  if (!membership.has_traces) {
    if (options.as_json) return {};
    return print("This host is a node of no cluster; nothing to do.\n");
  }
  if (!options.as_json) TRY_VOID(print(harmless(page_of(membership))));
  TRY(const provision::JournalText text, provision::Journal::read(host));
  if (!may_leave(options, membership, text.lines, session)) return {};
  TRY(const facts::HostFacts facts, facts::observe(host, session.runner, {}));
  TRY(provision::Journal journal,
      provision::Journal::open(host, facts.kernel.boot_id));
  return carry_out(options, host, membership, journal, session);
}

}  // namespace

void add_leave(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "leave", "Take this host out of its Kubernetes cluster");
  const auto options = std::make_shared<Options>();
  verb->add_option("--root", options->root, "Work on the host mounted here")
      ->capture_default_str();
  verb->add_flag("-y,--yes", options->yes, "Do not ask");
  verb->add_flag("--force", options->force,
                 "Also where somebody else made the host a node");
  verb->add_flag("--json", options->as_json, "One JSON object a line");
  add_no_color(*verb, options->no_color);
  verb->footer(kExamples);
  verb->callback([options, &session] {
    if (const auto done = leave(*options, session); !done) {
      session.fail(done.error());
    }
  });
}

}  // namespace gpunode::cli
