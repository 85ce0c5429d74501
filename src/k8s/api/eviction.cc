#include "k8s/api/eviction.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::kube {
namespace {

using text::Node;

constexpr int kConflict = 409;
constexpr int kNotFound = 404;
constexpr int kTooMany = 429;
constexpr int kFirstFailure = 400;
constexpr int kForbidden = 403;
constexpr int kInternalError = 500;

/// "message", and behind it what the causes say of budget and numbers.
std::string words_of(const Answer& answer) {
  const ApiStatus status = read_api_status(answer.body);
  std::string words = status.message;
  const auto read = text::read_json(answer.body, "answer");
  if (!read) return words;
  const Node root = text::tree_of(*read);
  const Node* const causes = text::find_at(root, {"details", "causes"});
  if (causes == nullptr) return words;
  for (const Node& cause : causes->items) {
    const std::string said = text::string_at(cause, {"message"});
    if (!said.empty()) words += " " + said;
  }
  return words;
}

/// Causes of 403 have been told apart by these words since Kubernetes 1.16.
bool has_cause(const Answer& answer, std::string_view reason) {
  const auto read = text::read_json(answer.body, "answer");
  if (!read) return false;
  const Node root = text::tree_of(*read);
  const Node* const causes = text::find_at(root, {"details", "causes"});
  if (causes == nullptr) return false;
  return std::ranges::any_of(causes->items, [&](const Node& cause) {
    return text::string_at(cause, {"reason"}) == reason;
  });
}

/// What else the API server says of a Pod that cannot be evicted as it is now,
/// and can be once somebody has acted; empty: it is none of that.
std::string obstacle_of(const ObjectKey& pod, const Answer& answer) {
  if (answer.status == kForbidden &&
      has_cause(answer, "NamespaceTerminating")) {
    return fmt::format(
        "namespace {0} is being deleted, and this Pod with it: it is waited "
        "for; next, if it stays: `kubectl get namespace {0} -o yaml` says "
        "what holds it",
        pod.space);
  }
  const std::string message = read_api_status(answer.body).message;
  if (answer.status == kInternalError &&
      message.find("more than one PodDisruptionBudget") != std::string::npos) {
    return fmt::format(
        "more than one PodDisruptionBudget selects it, and Kubernetes evicts "
        "no such Pod; next: `kubectl -n {} get pdb`, and leave one of them",
        pod.space);
  }
  return {};
}

}  // namespace

Result<std::string> eviction_version(std::string_view discovery) {
  TRY(const text::JsonValue value,
      text::read_json(discovery, "the API server's list of resources"));
  const Node root = text::tree_of(value);
  const Node* const all = text::find_at(root, {"resources"});
  if (all != nullptr) {
    for (const Node& one : all->items) {
      if (text::string_at(one, {"name"}) != "pods/eviction") continue;
      // Servers before 1.22 know v1beta1 alone, later ones say v1.
      const std::string version = text::string_at(one, {"version"});
      return version.empty() ? std::string("v1beta1") : version;
    }
  }
  return Error(ErrorCode::kUnsupported,
               "the API server has no evictions (pods/eviction), which ask "
               "PodDisruptionBudgets; Kubernetes has them since 1.5");
}

std::string eviction_json(const ObjectKey& pod, const std::string& version,
                          const std::string& uid) {
  Node body = text::mapping_node();
  text::put_at(body, {"apiVersion"}, text::string_node("policy/" + version));
  text::put_at(body, {"kind"}, text::string_node("Eviction"));
  text::put_at(body, {"metadata", "name"}, text::string_node(pod.name));
  text::put_at(body, {"metadata", "namespace"}, text::string_node(pod.space));
  if (!uid.empty()) {
    text::put_at(body, {"deleteOptions", "preconditions", "uid"},
                 text::string_node(uid));
  }
  return text::to_json(body);
}

Result<Eviction> judge_eviction(const ObjectKey& pod, const Answer& given) {
  Answer answer = given;
  // A Status that the server hands through has a code of its own.
  if (const int code = read_api_status(given.body).code;
      given.is_good() && code >= kFirstFailure) {
    answer.status = code;
  }
  if (answer.is_good()) return Eviction{};
  if (answer.status == kNotFound || answer.status == kConflict) {
    return Eviction{Eviction::End::kGone, ""};
  }
  if (answer.status == kTooMany) {
    return Eviction{Eviction::End::kHeld, words_of(answer)};
  }
  if (std::string words = obstacle_of(pod, answer); !words.empty()) {
    return Eviction{Eviction::End::kHeld, std::move(words)};
  }
  return error_of(fmt::format("evict {}/{}", pod.space, pod.name), answer);
}

}  // namespace gpunode::kube
