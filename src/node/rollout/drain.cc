#include "node/rollout/drain.h"

#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/rollout/object_view.h"

namespace gpunode::rollout {
namespace {

using text::Node;

PodOwner controller_of(const Node& pod) {
  const Node* const owners =
      text::find_at(pod, {"metadata", "ownerReferences"});
  if (owners == nullptr) return {};
  for (const Node& owner : owners->items) {
    if (!is_true_at(owner, {"controller"})) continue;
    PodOwner read{text::string_at(owner, {"apiVersion"}),
                  text::string_at(owner, {"kind"}),
                  text::string_at(owner, {"name"}),
                  text::string_at(owner, {"uid"})};
    // One without a kind is a controller nevertheless.
    if (read.kind.empty()) read.kind = "controller";
    return read;
  }
  return {};
}

bool has_empty_dir(const Node& pod) {
  const Node* const volumes = text::find_at(pod, {"spec", "volumes"});
  if (volumes == nullptr) return false;
  for (const Node& volume : volumes->items) {
    if (volume.find("emptyDir") != nullptr) return true;
  }
  return false;
}

/// "cannot delete … (use --x to override): a/b, c/d".
void refuse(const std::vector<std::string>& pods, const char* words,
            std::vector<std::string>& refusals) {
  if (pods.empty()) return;
  refusals.push_back(fmt::format("{}: {}", words, fmt::join(pods, ", ")));
}

}  // namespace

Result<DrainPod> read_drain_pod(std::string_view json) {
  TRY(const Node pod, read_object(json));
  DrainPod read;
  read.key = {text::string_at(pod, {"metadata", "namespace"}),
              text::string_at(pod, {"metadata", "name"})};
  if (read.key.name.empty() || read.key.space.empty()) {
    return Error(ErrorCode::kCorrupt,
                 "the API server's answer: a Pod without name or namespace");
  }
  read.uid = text::string_at(pod, {"metadata", "uid"});
  read.controller = controller_of(pod);
  read.is_mirror =
      text::find_at(pod, {"metadata", "annotations",
                          "kubernetes.io/config.mirror"}) != nullptr;
  const std::string phase = text::string_at(pod, {"status", "phase"});
  read.is_ended = phase == "Succeeded" || phase == "Failed";
  read.is_leaving =
      !text::string_at(pod, {"metadata", "deletionTimestamp"}).empty();
  read.has_empty_dir = has_empty_dir(pod);
  return read;
}

DrainPlan plan_drain(std::vector<DrainPod> pods, const DrainOptions& options) {
  DrainPlan plan;
  std::vector<std::string> unmanaged;
  std::vector<std::string> local;
  std::vector<std::string> orphans;
  std::map<std::string, std::vector<std::string>> unknown;  // By why.
  for (DrainPod& pod : pods) {
    if (pod.is_mirror || (pod.is_of_daemon_set && !pod.is_ended)) {
      ++plan.staying;
      continue;
    }
    const std::string name = pod.key.space + "/" + pod.key.name;
    // What has ended, or is on its way, loses nothing any more by us.
    if (!pod.is_ended && !pod.is_leaving) {
      if (pod.controller.kind.empty() && !options.force) {
        unmanaged.push_back(name);
      }
      if (!pod.lookup_trouble.empty()) {
        unknown[pod.lookup_trouble].push_back(name);
      } else if (pod.claims_daemon_set() && !options.force) {
        orphans.push_back(name);
      }
      if (pod.has_empty_dir && !options.delete_emptydir_data) {
        local.push_back(name);
      }
    }
    plan.leaving.push_back(std::move(pod));
  }
  refuse(unmanaged,
         "cannot delete Pods that declare no controller (use --force to "
         "override)",
         plan.refusals);
  refuse(orphans,
         "cannot delete Pods that say they are a DaemonSet's, which is not "
         "there or is another one (use --force to override)",
         plan.refusals);
  for (const auto& [why, names] : unknown) {
    // --force is about what is known: as with kubectl it helps nothing here.
    plan.refusals.push_back(
        fmt::format("cannot tell whether these are a DaemonSet's and stay: {} "
                    "({})",
                    fmt::join(names, ", "), why));
  }
  refuse(local,
         "cannot delete Pods with local storage (use --delete-emptydir-data to "
         "override)",
         plan.refusals);
  return plan;
}

}  // namespace gpunode::rollout
