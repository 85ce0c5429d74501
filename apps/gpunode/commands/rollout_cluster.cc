#include "apps/gpunode/commands/rollout_cluster.h"

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <random>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/host/host_root.h"
#include "base/text/json_edit.h"
#include "base/text/tree.h"
#include "k8s/api/resource_path.h"
#include "node/rollout/pod_list.h"

namespace gpunode::cli {
namespace {

constexpr const char* kFieldManager = "gpunode-rollout";

/// The first line of a file of /proc; "-" where there is none.
std::string line_of(const char* path) {
  const auto text = host::HostRoot("/").read_file(path);
  if (!text) return "-";
  std::string line = text->substr(0, text->find_first_of(" \n"));
  return line.empty() ? "-" : line;
}

Result<void> apply(kube::Client& client,
                   const rollout::ManifestObject& object) {
  TRY_VOID(client.apply(object.type, object.key, object.json, kFieldManager,
                        true, kube::Detail::kMetadata));
  return {};
}

/// Whoever may make Pods in it is root on the nodes. One that somebody else
/// made, perhaps to be just that, is not taken over.
Result<void> check_space(kube::Client& client,
                         const rollout::ManifestObject& space) {
  const auto json = client.get(space.type, space.key);
  if (!json) {
    if (json.error().code() == ErrorCode::kNotFound) return {};
    return json.error();
  }
  TRY(const auto value, text::read_json(*json, "namespace"));
  const text::Node tree = text::tree_of(value);
  const auto label = [&](const char* name) {
    return text::string_at(tree, {"metadata", "labels", name});
  };
  if (label("app.kubernetes.io/managed-by") == "gpunode" &&
      label("pod-security.kubernetes.io/enforce") == "privileged") {
    return {};
  }
  return Error(
      ErrorCode::kPermissionDenied,
      fmt::format(
          "the namespace {0} is there and not gpunode's: whoever may "
          "make Pods in it would be root on the nodes; next: `kubectl "
          "get all,rolebindings -n {0}` shows whose it is, and `kubectl "
          "delete namespace {0}` makes room",
          space.key.name));
}

}  // namespace

Result<std::string> kubeconfig_of(const Session& session) {
  if (const auto named = session.environment("KUBECONFIG")) {
    const std::string first = named->substr(0, named->find(':'));
    if (!first.empty()) return first;
  }
  const auto home = session.environment("HOME");
  if (home && host::HostRoot("/").exists(*home + "/.kube/config")) {
    return *home + "/.kube/config";
  }
  return Error(ErrorCode::kNotFound,
               "no kubeconfig: KUBECONFIG is not set and there is no "
               "~/.kube/config; next: --kubeconfig FILE");
}

Result<rollout::RolloutPlan> look_at_cluster(
    kube::Client& client, const std::string& selector,
    const std::string& digest, const rollout::DrainOptions& drain) {
  kube::Selection selection;
  selection.label_selector = selector;
  TRY(const std::vector<std::string> selected,
      rollout::list_all(client, kube::nodes(), selection));
  if (selected.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("no Node is selected by {:?}; next: `kubectl get "
                             "nodes --show-labels`",
                             selector));
  }
  std::vector<rollout::SelectedNode> nodes;
  std::set<std::string> names;
  rollout::DaemonSets daemon_sets;
  for (const std::string& json : selected) {
    TRY(rollout::NodeLook node, rollout::read_node(json));
    TRY(std::vector<rollout::DrainPod> pods,
        rollout::pods_on(client, daemon_sets, node.name));
    names.insert(node.name);
    nodes.push_back({std::move(node), std::move(pods)});
  }
  kube::Selection all;
  all.detail = kube::Detail::kMetadata;
  TRY(const std::vector<std::string> everything,
      rollout::list_all(client, kube::nodes(), all));
  std::vector<rollout::NodeLook> others;
  for (const std::string& json : everything) {
    TRY(rollout::NodeLook node, rollout::read_node(json));
    if (!names.contains(node.name)) others.push_back(std::move(node));
  }
  return rollout::plan_rollout(std::move(nodes), std::move(others), digest,
                               drain);
}

kube::LeaseHolder::Self lease_self(const Session& session) {
  // Pids are told apart by their namespace: containers of one machine may have
  // the same.
  const auto space = host::HostRoot("/").read_link("/proc/self/ns/pid");
  const std::string machine =
      fmt::format("{} {} {}", line_of("/proc/sys/kernel/hostname"),
                  line_of("/proc/sys/kernel/random/boot_id"),
                  space ? *space : std::string("pid:[?]"));
  const std::string user = session.environment("USER").value_or("somebody");
  kube::LeaseHolder::Self self;
  self.name = fmt::format("{} ({:08x}) pid {} on {}", user,
                          std::random_device{}(), ::getpid(), machine);
  const bool knows_space = static_cast<bool>(space);
  self.is_dead = [machine, knows_space](std::string_view holder) {
    if (!knows_space) return false;
    const std::size_t pid_at = holder.find(" pid ");
    if (pid_at == std::string_view::npos ||
        !holder.ends_with(" on " + machine)) {
      return false;
    }
    const std::string_view digits = holder.substr(pid_at + 5);
    pid_t pid = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    return pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
  };
  return self;
}

bool ApiPatience::operator()(const Error& away) {
  if (!until_) until_ = clock_.now() + most_;
  if (away.message() != told_) follower_.waits("", away.message());
  told_ = away.message();
  return clock_.now() < *until_ && pause_();
}

void ApiPatience::answered() {
  until_.reset();
  told_.clear();
}

Result<void> begin_rollout(kube::Client& client, kube::LeaseHolder& lease,
                           const rollout::BringManifest& manifest,
                           const kube::LeaseHolder::Await& await,
                           ApiPatience& patience) {
  const auto objects = rollout::bring_objects(manifest);
  TRY_VOID(
      insist(patience, [&] { return check_space(client, objects.front()); }));
  TRY_VOID(insist(patience, [&] { return apply(client, objects.front()); }));
  const auto await_answered = [&](const kube::Lease& other,
                                  std::chrono::seconds left) {
    patience.answered();
    return await(other, left);
  };
  TRY_VOID(lease.take(await_answered, std::ref(patience)));
  patience.answered();
  for (std::size_t i = 1; i < objects.size(); ++i) {
    TRY_VOID(
        insist(lease, patience, [&] { return apply(client, objects[i]); }));
  }
  return {};
}

}  // namespace gpunode::cli
