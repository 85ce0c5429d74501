// gpunode rollout: a GPUNode file over the nodes of a cluster, one at a time.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "apps/gpunode/commands/cluster_access.h"
#include "apps/gpunode/commands/commands.h"
#include "apps/gpunode/commands/consent.h"
#include "apps/gpunode/commands/given_path.h"
#include "apps/gpunode/commands/node_run.h"
#include "apps/gpunode/commands/output_options.h"
#include "apps/gpunode/commands/rollout_cluster.h"
#include "apps/gpunode/commands/stop_signals.h"
#include "apps/gpunode/commands/verify_pod.h"
#include "apps/gpunode/session.h"
#include "base/core/boot_clock.h"
#include "base/core/clock.h"
#include "base/digest/digest.h"
#include "base/host/host_root.h"
#include "node/rollout/rollout_text.h"
#include "node/rollout/walk.h"

namespace gpunode::cli {
namespace {

using rollout::PlannedNode;
using rollout::WalkOutcome;
using std::chrono::seconds;

constexpr const char* kFooter = R"(
Each node in turn: cordon; drain by evictions, as `kubectl drain
--ignore-daemonsets` (PodDisruptionBudgets are waited for); bring gpunode and
the file there by a DaemonSet's Pod on that node alone, and wait until it is
applied, over reboots (spec.host.reboot.mode: auto); look whether the node is
Ready, offers no fewer GPUs than before and has nothing for GpuNodeNeedsAttention
to tell; uncordon, if it was not cordoned before. The first node that is not well
ends it and stays cordoned. What is done stands on the Nodes, so the same command
goes on from anywhere: after Ctrl-C, a crash, or by somebody else. Plans first,
and asks.

Examples:
  gpunode rollout node.yaml --selector nvidia.com/gpu.present=true --dry-run
  gpunode rollout node.yaml --selector pool=gpu --image registry/gpunode-host:1
  gpunode rollout node.yaml --selector pool=gpu --status

Exit code 0: all are done; 2: something is to do (--dry-run, --status); 3: a node
may not be drained, and was left as it was; 5: nobody said yes; 6: another
roll-out is at work; 7: a node is not well; 130: stopped; 1: everything else.)";

struct Options {
  NodeOptions node;
  ClusterOptions cluster;
  std::string selector;
  rollout::WalkOptions walk;
  diagnose::TrialPod trial;
  unsigned drain_timeout = 1800;
  unsigned bring_timeout = 5400;
  unsigned health_timeout = 900;
  unsigned trial_timeout = 300;
  bool dry_run = false;
  bool asks_status = false;
  bool yes = false;
};

constexpr std::chrono::milliseconds kBetweenLeaseLooks(1000);

bool pause_for(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds kSlice(100);
  const std::atomic<bool>& is_stopped = stop_on_signals();
  for (; time.count() > 0 && !is_stopped; time -= kSlice) {
    std::this_thread::sleep_for(std::min(time, kSlice));
  }
  return !is_stopped;
}

/// Of who has the lease, and may be dead.
std::string lease_words(const kube::Lease& other, seconds left) {
  return fmt::format(
      "{} has begun a roll-out in this cluster; if it is not heard of for {} "
      "s, "
      "this one goes on in its place",
      other.holder, left.count());
}

ExitCode exit_code_of(WalkOutcome::End end) {
  constexpr int kInterrupted = 130;
  switch (end) {
    case WalkOutcome::End::kDone:
      return ExitCode::kOk;
    case WalkOutcome::End::kBadNode:
      return ExitCode::kVerificationFailed;
    case WalkOutcome::End::kRefused:
      return ExitCode::kRefusedForSafety;
    case WalkOutcome::End::kStopped:
      return static_cast<ExitCode>(kInterrupted);
    case WalkOutcome::End::kTrouble:
      break;
  }
  return ExitCode::kError;
}

/// One roll-out from file to outcome.
class Rollout {
 public:
  Rollout(Options& options, Session& session)
      : options_(options), session_(session) {}

  Result<void> run();

 private:
  Result<void> read_file();
  Result<void> open_cluster();
  void show(const console::Page& page) const;
  void write(const std::string& json) const;
  bool is_agreed();
  Result<rollout::RolloutPlan> look() const;
  Result<void> walk(const rollout::RolloutPlan& shown);
  /// Before the first node.
  Result<void> give_up(kube::LeaseHolder& lease, const Error& error);
  /// The Pod of level 6 of `gpunode verify`, on one node.
  Result<rollout::Complaint> try_pod(const std::string& node,
                                     kube::LeaseHolder& lease,
                                     rollout::WalkObserver& follower);

  Options& options_;
  Session& session_;
  std::unique_ptr<ClusterAccess> cluster_;
  SystemClock clock_;
  BootClock lease_clock_;
  std::map<std::string, std::string> trial_names_;  ///< Pods', by node.
};

void Rollout::show(const console::Page& page) const {
  if (options_.node.as_json) return;
  const auto printed = print(page.render(terminal_of(options_.node, session_)));
  if (!printed) session_.fail(printed.error());
}

void Rollout::write(const std::string& json) const {
  if (!options_.node.as_json) return;
  if (auto printed = print(json); !printed) session_.fail(printed.error());
}

Result<void> Rollout::read_file() {
  TRY_VOID(load_spec(options_.node));
  rollout::BringManifest& manifest = options_.walk.manifest;
  TRY(manifest.spec,
      host::HostRoot("/").read_file(given_path(options_.node.spec_path)));
  manifest.digest = digest::sha256(manifest.spec);
  return {};
}

Result<void> Rollout::open_cluster() {
  ClusterOptions& cluster = options_.cluster;
  if (cluster.kubeconfig.empty()) {
    TRY(cluster.kubeconfig, kubeconfig_of(session_));
  }
  cluster.kubeconfig = given_path(cluster.kubeconfig);
  cluster.user_agent = "gpunode-rollout";
  cluster.node_name = "-";  // It is no business of this machine's own Node.
  cluster.environment.clear();
  for (char** one = environ; *one != nullptr; ++one) {
    cluster.environment.emplace_back(*one);
  }
  TRY(cluster_, ClusterAccess::open(cluster, host::HostRoot("/"), session_));
  return {};
}

bool Rollout::is_agreed() {
  if (options_.yes) return true;
  if (::isatty(STDIN_FILENO) == 1 && !options_.node.as_json) {
    if (says_yes()) return true;
    session_.outcome = ExitCode::kPersonNeeded;
    return false;
  }
  session_.fail(Error(ErrorCode::kInvalidArgument,
                      "nobody is here to be asked, and nothing was done: add "
                      "--yes"),
                ExitCode::kPersonNeeded);
  return false;
}

Result<rollout::Complaint> Rollout::try_pod(const std::string& node,
                                            kube::LeaseHolder& lease,
                                            rollout::WalkObserver& follower) {
  diagnose::TrialPod pod = options_.trial;
  // The same at each try: the answer to the first may have been lost.
  std::string& name = trial_names_[node];
  if (name.empty()) {
    name = fmt::format("gpunode-rollout-{:08x}", std::random_device{}());
  }
  pod.name = name;
  pod.node = node;
  pod.tolerates_cordon = true;
  PodPatience patience{seconds(options_.trial_timeout), {}, {}};
  patience.is_stopped = [&] {
    const auto renewed = lease.renew();
    // A server that is away is waited for; the lease is looked after then.
    const bool is_lost =
        !renewed && renewed.error().code() != ErrorCode::kUnavailable;
    return is_lost || stop_on_signals().load();
  };
  std::string told;
  patience.told = [&](const Error& away) {
    if (away.message() != told) follower.waits(node, away.message());
    told = away.message();
  };
  const auto end = run_pod(cluster_->client(), pod, patience);
  // What is no answer of the Pod's is nothing against the node.
  if (!end) {
    const bool is_gone = end.error().code() == ErrorCode::kNotFound;
    return Error(is_gone ? ErrorCode::kInternal : end.error().code(),
                 fmt::format("the Pod that was to add vectors there: {}{}",
                             end.error().message(),
                             is_gone ? " (somebody has taken it away, or its "
                                       "namespace is not there)"
                                     : ""));
  }
  for (const diagnose::VerifyCheck& check : diagnose::verify_pod(end)) {
    if (check.verdict != diagnose::Verdict::kFail) continue;
    return rollout::Complaint(fmt::format(
        "the Pod that was to add vectors there did not: {}; next: {}",
        check.evidence, check.hint));
  }
  return rollout::Complaint();
}

Result<rollout::RolloutPlan> Rollout::look() const {
  return look_at_cluster(cluster_->client(), options_.selector,
                         options_.walk.manifest.digest, options_.walk.drain);
}

Result<void> Rollout::give_up(kube::LeaseHolder& lease, const Error& error) {
  lease.release();
  if (stop_on_signals().load()) {
    session_.outcome = exit_code_of(WalkOutcome::End::kStopped);
    return {};
  }
  if (error.code() != ErrorCode::kAlreadyExists) return error;
  session_.fail(error, ExitCode::kLocked);
  return {};
}

Result<void> Rollout::walk(const rollout::RolloutPlan& shown) {
  static_cast<void>(stop_on_signals());
  kube::Client& client = cluster_->client();
  kube::LeaseHolder lease(client, {rollout::kBringSpace, "rollout"},
                          lease_self(session_), lease_clock_,
                          [] { return std::chrono::system_clock::now(); });
  rollout::RolloutText text([&](const console::Page& page) { show(page); });
  rollout::RolloutJson json([&](const std::string& line) { write(line); });
  rollout::WalkObserver* follower = &text;
  if (options_.node.as_json) follower = &json;
  ApiPatience patience(clock_, options_.walk.api_timeout, *follower,
                       [] { return pause_for(kBetweenLeaseLooks); });
  auto begun = begin_rollout(
      client, lease, options_.walk.manifest,
      [&, is_told = false](const kube::Lease& other, seconds left) mutable {
        if (!is_told) follower->waits("", lease_words(other, left));
        is_told = true;
        return pause_for(kBetweenLeaseLooks);
      },
      patience);
  if (!begun) return give_up(lease, begun.error());
  options_.walk.drain_timeout = seconds(options_.drain_timeout);
  options_.walk.bring_timeout = seconds(options_.bring_timeout);
  options_.walk.health_timeout = seconds(options_.health_timeout);
  if (!options_.trial.image.empty()) {
    options_.walk.trial = [&](const std::string& node) {
      return try_pod(node, lease, *follower);
    };
  }
  // The plan is older than the lease: whoever had that has gone on meanwhile.
  const auto now = insist(lease, patience, [&] { return look(); });
  if (!now) return give_up(lease, now.error());
  const rollout::SecondLook order = rollout::look_again(shown, *now);
  for (const std::string& words : order.words) follower->did("", words);
  rollout::Walk walk(client, lease, clock_, pause_for, *follower,
                     options_.walk);
  const WalkOutcome outcome = walk.run(order.nodes);
  lease.release();
  session_.outcome = exit_code_of(outcome.end);
  show(rollout::outcome_page(outcome));
  write(rollout::outcome_json(outcome));
  return {};
}

Result<void> Rollout::run() {
  TRY_VOID(read_file());
  TRY_VOID(open_cluster());
  TRY(const rollout::RolloutPlan plan, look());
  show(rollout::plan_page(plan));
  write(rollout::plan_json(plan));
  const bool is_done =
      plan.count(PlannedNode::State::kDone) == plan.nodes.size();
  if (is_done) return {};
  if (options_.dry_run || options_.asks_status) {
    const bool is_stuck =
        std::ranges::any_of(plan.nodes, [](const PlannedNode& one) {
          return one.node.mark && !one.node.mark->why.empty();
        });
    session_.outcome = options_.asks_status && is_stuck
                           ? ExitCode::kVerificationFailed
                           : ExitCode::kChangesPending;
    return {};
  }
  if (options_.walk.manifest.image.empty()) {
    session_.fail(
        Error(ErrorCode::kInvalidArgument,
              "--image is missing: the image with gpunode that nodes can pull "
              "(docs/many-nodes.md says how it is made); nothing was done"),
        ExitCode::kUsage);
    return {};
  }
  if (!is_agreed()) return {};
  return walk(plan);
}

void add_timeout(CLI::App& verb, const char* name, unsigned& value,
                 const char* help) {
  verb.add_option(name, value, help)
      ->capture_default_str()
      ->check(CLI::Range(1U, 604800U));
}

}  // namespace

void add_rollout(CLI::App& gpunode, Session& session) {
  CLI::App* verb = gpunode.add_subcommand(
      "rollout", "Bring a file to the nodes of a cluster, one at a time");
  const auto options = std::make_shared<Options>();
  rollout::WalkOptions& walk = options->walk;
  add_spec_file(*verb, options->node.spec_path, "The GPUNode file");
  options->node.spec_path = "node.yaml";
  verb->add_option("-l,--selector", options->selector,
                   "Which Nodes, by their labels: K=V, K, K!=V, with commas")
      ->required();
  verb->add_option("--image", walk.manifest.image,
                   "The image with gpunode, as nodes can pull it");
  verb->add_option("--kubeconfig", options->cluster.kubeconfig,
                   "Of somebody who may (docs/security.md); default: "
                   "KUBECONFIG, or ~/.kube/config");
  verb->add_flag("--dry-run", options->dry_run,
                 "Show the plan, and change nothing");
  verb->add_flag("--status", options->asks_status,
                 "Show how far it is, and change nothing");
  verb->add_flag("-y,--yes", options->yes, "Do not ask");
  verb->add_flag("--force", walk.drain.force,
                 "Pods that declare no controller are evicted, too, and "
                 "nobody makes them again");
  verb->add_flag("--delete-emptydir-data", walk.drain.delete_emptydir_data,
                 "Pods with emptyDir volumes are evicted, too, and the data "
                 "is lost");
  verb->add_flag("--allow-fewer-gpus", walk.allows_fewer_gpus,
                 "A node may offer fewer GPUs afterwards, as the file means");
  add_timeout(*verb, "--drain-timeout", options->drain_timeout,
              "Seconds that the Pods of a node have to go");
  add_timeout(*verb, "--bring-timeout", options->bring_timeout,
              "Seconds that a node has to apply the file, reboots included");
  add_timeout(*verb, "--health-timeout", options->health_timeout,
              "Seconds that a node has to be well afterwards");
  verb->add_option("--trial-image", options->trial.image,
                   "After each node a Pod of this image must say Test PASSED "
                   "there, as in level 6 of `gpunode verify`");
  verb->add_option("--trial-namespace", options->trial.space,
                   "Where that Pod is made")
      ->capture_default_str();
  verb->add_option("--runtime-class", options->trial.runtime_class,
                   "That Pod's RuntimeClass, where one is needed");
  add_timeout(*verb, "--trial-timeout", options->trial_timeout,
              "Seconds that this Pod has");
  verb->add_flag("--json", options->node.as_json,
                 "One JSON object a line (docs/formats/rollout.md)");
  add_no_color(*verb, options->node.no_color);
  verb->footer(kFooter);
  verb->callback([options, &session] {
    if (const auto done = Rollout(*options, session).run(); !done) {
      session.fail(done.error());
    }
  });
}

}  // namespace gpunode::cli
