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

Result<void> DaemonSets::look_up(kube::Client& client, DrainPod& pod) {
  const PodOwner& owner = pod.controller;
  if (!pod.claims_daemon_set()) return {};
  const std::size_t slash = owner.api.find('/');
  const kube::ResourceType type{owner.api.substr(0, slash),
                                owner.api.substr(slash + 1), "daemonsets",
                                true};
  if (!kube::is_dns_subdomain(type.group) ||
      !kube::is_dns_label(type.version) ||
      !kube::is_dns_subdomain(owner.name) || owner.uid.empty()) {
    return {};
  }
  const std::string claim = fmt::format("{}/{}/{}/{}", owner.api, pod.key.space,
                                        owner.name, owner.uid);
  auto known = known_.find(claim);
  if (known == known_.end()) {
    TRY(Answer answer, ask(client, type, pod));
    known = known_.emplace(claim, std::move(answer)).first;
  }
  pod.is_of_daemon_set = known->second.is_own;
  pod.lookup_trouble = known->second.trouble;
  return {};
}

Result<DaemonSets::Answer> DaemonSets::ask(kube::Client& client,
                                           const kube::ResourceType& type,
                                           const DrainPod& pod) {
  const auto json = client.get(type, {pod.key.space, pod.controller.name},
                               kube::Detail::kMetadata);
  if (json) {
    TRY(const kube::ObjectMeta meta, kube::read_object_meta(*json));
    return Answer{meta.uid == pod.controller.uid, ""};
  }
  if (json.error().code() == ErrorCode::kNotFound) return Answer{false, ""};
  if (json.error().code() != ErrorCode::kPermissionDenied) return json.error();
  return Answer{
      false,
      fmt::format("the right lacks to get daemonsets.{} in the namespace "
                  "{}: {}; next: docs/security.md, Rights of a roll-out",
                  type.group, pod.key.space, json.error().message())};
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
    TRY_VOID(daemon_sets.look_up(client, pod));
    pods.push_back(std::move(pod));
  }
  return pods;
}

}  // namespace gpunode::rollout
