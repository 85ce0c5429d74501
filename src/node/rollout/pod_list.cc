#include "node/rollout/pod_list.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

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

Result<std::vector<DrainPod>> pods_on(kube::Client& client,
                                      const std::string& node) {
  kube::Selection selection;
  selection.field_selector = "spec.nodeName=" + node;
  TRY(const std::vector<std::string> all,
      list_all(client, kube::pods(), selection));
  std::vector<DrainPod> pods;
  for (const std::string& json : all) {
    TRY(DrainPod pod, read_drain_pod(json));
    pods.push_back(std::move(pod));
  }
  return pods;
}

}  // namespace gpunode::rollout
