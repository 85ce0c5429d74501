#include "apps/gpunode/commands/verify_pod.h"

#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"
#include "k8s/api/resource_path.h"

namespace gpunode::cli {
namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(500);
constexpr auto kForRemoval = std::chrono::seconds(30);

Result<std::string> log_of(kube::Client& client, const kube::ObjectKey& key) {
  TRY(const std::string path, kube::object_path(kube::pods(), key));
  return client.get_path(path + "/log?tailLines=50");
}

/// Asks until the API server answers.
template <class Ask>
auto insist(const PodPatience& patience, TimePoint until, Ask ask)
    -> decltype(ask()) {
  for (;;) {
    auto answer = ask();
    if (answer || answer.error().code() != ErrorCode::kUnavailable ||
        patience.now() >= until || patience.is_stopped()) {
      return answer;
    }
    if (patience.told) patience.told(answer.error());
    patience.pause(kBetweenLooks);
  }
}

/// kUnavailable: the Pod is one that was asked to go, and has not yet.
Result<void> check_stays(kube::Client& client, const kube::ObjectKey& key,
                         const PodPatience& patience) {
  const auto json = insist(patience, patience.now() + patience.time, [&] {
    return client.get(kube::pods(), key, kube::Detail::kMetadata);
  });
  const bool has_gone = !json && json.error().code() == ErrorCode::kNotFound;
  if (!json && !has_gone) return json.error();
  if (!has_gone) {
    TRY(const auto value, text::read_json(*json, "the API server's answer"));
    const text::Node tree = text::tree_of(value);
    if (text::find_at(tree, {"metadata", "deletionTimestamp"}) == nullptr) {
      return {};
    }
  }
  return Error(ErrorCode::kUnavailable,
               fmt::format("the Pod {}/{} of an earlier try is still being "
                           "taken away",
                           key.space, key.name));
}

/// Looks until the Pod has ended or there is no more time.
Result<diagnose::PodEnd> watch_pod(kube::Client& client,
                                   const kube::ObjectKey& key,
                                   const PodPatience& patience) {
  const auto until = patience.now() + patience.time;
  diagnose::PodEnd end;
  for (;;) {
    TRY(end.pod,
        insist(patience, until, [&] { return client.get(kube::pods(), key); }));
    end.is_over = diagnose::has_pod_ended(end.pod);
    if (end.is_over || patience.now() >= until) break;
    if (patience.is_stopped()) {
      return Error(ErrorCode::kUnavailable, "stopped before the Pod had ended");
    }
    patience.pause(kBetweenLooks);
  }
  if (end.is_over) {
    TRY(end.log, insist(patience, until, [&] { return log_of(client, key); }));
  }
  return end;
}

}  // namespace

Result<diagnose::PodEnd> run_pod(kube::Client& client,
                                 const diagnose::TrialPod& pod,
                                 const PodPatience& patience) {
  const kube::ObjectKey key{pod.space, pod.name};
  const auto made = insist(patience, patience.now() + patience.time, [&] {
    return client.create(kube::pods(), pod.space, diagnose::pod_json(pod));
  });
  if (!made && made.error().code() == ErrorCode::kPermissionDenied) {
    return made.error();
  }
  // Nobody else has its name: an earlier answer was lost, and was a yes.
  const bool is_there =
      made || made.error().code() == ErrorCode::kAlreadyExists;
  const auto watch = [&]() -> Result<diagnose::PodEnd> {
    if (!is_there) return made.error();
    if (!made) TRY_VOID(check_stays(client, key, patience));
    return watch_pod(client, key, patience);
  };
  auto end = watch();
  const auto removed = insist(patience, patience.now() + kForRemoval,
                              [&] { return client.remove(kube::pods(), key); });
  if (!removed && removed.error().code() != ErrorCode::kNotFound) {
    const Error& first = end ? removed.error() : end.error();
    return Error(first.code(), fmt::format("{}; the Pod {}/{} is left there{}",
                                           first.message(), pod.space, pod.name,
                                           is_there ? "" : ", if it was made"));
  }
  return end;
}

}  // namespace gpunode::cli
