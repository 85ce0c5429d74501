#include "apps/gpunode/commands/verify_pod.h"

#include <string>
#include <thread>
#include <utility>

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
auto insist(const PodPatience& patience,
            std::chrono::steady_clock::time_point until, Ask ask)
    -> decltype(ask()) {
  for (;;) {
    auto answer = ask();
    if (answer || answer.error().code() != ErrorCode::kUnavailable ||
        std::chrono::steady_clock::now() >= until || patience.is_stopped()) {
      return answer;
    }
    if (patience.told) patience.told(answer.error());
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

/// Looks until the Pod has ended or there is no more time.
Result<diagnose::PodEnd> watch_pod(kube::Client& client,
                                   const kube::ObjectKey& key,
                                   const PodPatience& patience) {
  const auto until = std::chrono::steady_clock::now() + patience.time;
  diagnose::PodEnd end;
  for (;;) {
    TRY(end.pod,
        insist(patience, until, [&] { return client.get(kube::pods(), key); }));
    end.is_over = diagnose::has_pod_ended(end.pod);
    if (end.is_over || std::chrono::steady_clock::now() >= until) break;
    if (patience.is_stopped()) {
      return Error(ErrorCode::kUnavailable, "stopped before the Pod had ended");
    }
    std::this_thread::sleep_for(kBetweenLooks);
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
  if (auto made =
          client.create(kube::pods(), pod.space, diagnose::pod_json(pod));
      !made) {
    const ErrorCode code = made.error().code();
    // An answer that was lost may have been a yes.
    if (code != ErrorCode::kAlreadyExists &&
        code != ErrorCode::kPermissionDenied) {
      (void)client.remove(kube::pods(), key);
    }
    return std::move(made).error();
  }
  auto end = watch_pod(client, key, patience);
  const auto removed =
      insist(patience, std::chrono::steady_clock::now() + kForRemoval,
             [&] { return client.remove(kube::pods(), key); });
  if (!removed && removed.error().code() != ErrorCode::kNotFound) {
    const Error& first = end ? removed.error() : end.error();
    return Error(first.code(), first.message() + "; the Pod " + pod.space +
                                   "/" + pod.name + " is left there");
  }
  return end;
}

}  // namespace gpunode::cli
