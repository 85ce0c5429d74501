#include "node/rollout/pod_list.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "k8s/api/object_meta.h"
#include "k8s/api/resource_path.h"

namespace gpunode::rollout {
namespace {

constexpr unsigned kListTries = 3;

}  // namespace

Result<std::vector<std::string>> list_all(kube::Client& client,
                                          const kube::ResourceType& type,
                                          const kube::Selection& selection) {
  for (unsigned attempt = 1;; ++attempt) {
    std::vector<std::string> all;
    std::string continuation;
    std::optional<Error> gone;
    do {
      auto page = client.list(type, selection, "", continuation);
      if (!page) {
        gone = std::move(page).error();
        break;
      }
      std::ranges::move(page->objects, std::back_inserter(all));
      continuation = page->continuation;
    } while (!continuation.empty());
    if (!gone) return all;
    const bool is_forgotten =
        gone->code() == ErrorCode::kUnavailable && !continuation.empty();
    if (!is_forgotten || attempt >= kListTries) return *std::move(gone);
  }
}

Result<bool> DaemonSets::own(kube::Client& client, const DrainPod& pod) {
  const PodOwner& owner = pod.controller;
  if (!pod.claims_daemon_set()) return false;
  if (!kube::is_dns_subdomain(owner.name) || owner.uid.empty()) return false;
  const std::string claim =
      fmt::format("{}/{}/{}", pod.key.space, owner.name, owner.uid);
  if (const auto known = known_.find(claim); known != known_.end()) {
    return known->second;
  }
  const auto json =
      client.get({"apps", "v1", "daemonsets", true},
                 {pod.key.space, owner.name}, kube::Detail::kMetadata);
  bool is_own = false;
  if (json) {
    TRY(const kube::ObjectMeta meta, kube::read_object_meta(*json));
    is_own = meta.uid == owner.uid;
  } else if (json.error().code() != ErrorCode::kNotFound) {
    return json.error();
  }
  known_.emplace(claim, is_own);
  return is_own;
}

Result<std::vector<DrainPod>> pods_on(kube::Client& client,
                                      DaemonSets& daemon_sets,
                                      const std::string& node) {
  kube::Selection selection;
  selection.field_selector = "spec.nodeName=" + node;
  TRY(const std::vector<std::string> all,
      list_all(client, kube::pods(), selection));
  std::vector<DrainPod> pods;
  for (const std::string& json : all) {
    TRY(DrainPod pod, read_drain_pod(json));
    TRY(pod.is_of_daemon_set, daemon_sets.own(client, pod));
    pods.push_back(std::move(pod));
  }
  return pods;
}

}  // namespace gpunode::rollout
