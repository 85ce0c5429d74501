// Levels 5 and 6: what the cluster says of this node.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "node/diagnose/verify_levels.h"
#include "node/facts/host_text.h"

namespace gpunode::diagnose {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kPassed = "Test PASSED";

Json parsed(const std::string& text) {
  return Json::parse(text, nullptr, false);
}

/// A member's text; "" where there is none.
std::string text_of(const Json& object, const char* member) {
  if (!object.is_object()) return {};
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

/// A member, or nothing that has members.
const Json& at(const Json& object, const char* member) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(member);
  return found == object.end() ? kNothing : *found;
}

/// The condition of that type, of a Node or a Pod.
Json condition_of(const Json& object, std::string_view type) {
  const Json& conditions = at(at(object, "status"), "conditions");
  if (!conditions.is_array()) return {};
  for (const Json& one : conditions) {
    if (text_of(one, "type") == type) return one;
  }
  return {};
}

VerifyCheck node_check(const Json& node) {
  VerifyCheck check{.level = 5, .id = "kubelet.node"};
  const std::string name = text_of(at(node, "metadata"), "name");
  const Json ready = condition_of(node, "Ready");
  const bool is_cordoned = at(at(node, "spec"), "unschedulable") == Json(true);
  if (text_of(ready, "status") != "True") {
    check.verdict = Verdict::kFail;
    check.evidence =
        fmt::format("{} is not Ready: {}", name, text_of(ready, "message"));
    check.hint = "`systemctl status kubelet` and `journalctl -u kubelet`";
  } else if (is_cordoned) {
    check.verdict = Verdict::kWarn;
    check.evidence = name + " is Ready, and cordoned";
    check.hint = fmt::format("`kubectl uncordon {}` when work may come", name);
  } else {
    check.evidence = name + " is Ready";
  }
  return check;
}

/// "nvidia.com/gpu" and the like, MIG's among them, with what is allocatable.
std::vector<std::pair<std::string, std::uint64_t>> gpus_of(const Json& node) {
  std::vector<std::pair<std::string, std::uint64_t>> found;
  const Json& all = at(at(node, "status"), "allocatable");
  if (!all.is_object()) return found;
  for (const auto& [name, quantity] : all.items()) {
    const bool is_gpu = name.starts_with("nvidia.com/gpu") ||
                        name.starts_with("nvidia.com/mig-");
    if (!is_gpu || !quantity.is_string()) continue;
    const auto text = quantity.get<std::string>();
    std::uint64_t count = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') break;  // "2k" of nobody's GPUs.
      count = count * 10 + static_cast<std::uint64_t>(c - '0');
    }
    found.emplace_back(name, count);
  }
  return found;
}

VerifyCheck allocatable_check(const Json& node, std::size_t gpus) {
  VerifyCheck check{.level = 5, .id = "kubelet.allocatable"};
  std::vector<std::string> words;
  std::uint64_t sum = 0;
  for (const auto& [name, count] : gpus_of(node)) {
    words.push_back(fmt::format("{} {}", count, name));
    sum += count;
  }
  check.evidence = words.empty() ? "the kubelet offers no GPU"
                                 : fmt::format("{}", fmt::join(words, ", "));
  if (sum == 0) {
    check.verdict = Verdict::kFail;
    check.hint =
        "the device plugin has not registered, or says that all are unhealthy: "
        "`gpunode status`, and the plugin's log";
  } else if (sum < gpus) {
    check.verdict = Verdict::kWarn;
    check.evidence += fmt::format(", and the bus has {} GPUs", gpus);
    check.hint = "`gpunode status` names those that are not healthy";
  }
  return check;
}

/// Why a container of the Pod does not run: "ImagePullBackOff: …".
std::string waiting_of(const Json& pod) {
  const Json& all = at(at(pod, "status"), "containerStatuses");
  if (!all.is_array()) return {};
  for (const Json& one : all) {
    const Json& waiting = at(at(one, "state"), "waiting");
    const std::string reason = text_of(waiting, "reason");
    if (reason.empty()) continue;
    const std::string message = text_of(waiting, "message");
    return message.empty() ? reason : reason + ": " + message;
  }
  return {};
}

/// Of a Pod that did not pass: why, and what next.
void tell_failure(const Json& pod, const PodEnd& end, VerifyCheck& check) {
  const Json& status = at(pod, "status");
  const Json scheduled = condition_of(pod, "PodScheduled");
  const std::string waiting = waiting_of(pod);
  const std::string reason = text_of(status, "reason");
  if (text_of(scheduled, "status") == "False") {
    check.evidence = "not scheduled: " + text_of(scheduled, "message");
    check.hint =
        "level 5 shows what the node offers; other Pods may hold it (`gpunode "
        "status`), or a taint keep this one away";
  } else if (!waiting.empty()) {
    check.evidence = waiting;
    check.hint =
        waiting.starts_with("ErrImage") || waiting.starts_with("ImagePull")
            ? "--image names one that this node can pull"
            : "`kubectl describe pod` tells its events";
  } else if (!reason.empty()) {
    check.evidence = reason + ": " + text_of(status, "message");
    check.hint = "the kubelet refused it; `journalctl -u kubelet`";
  } else if (!end.is_over) {
    check.evidence =
        fmt::format("not done in time, phase {}", text_of(status, "phase"));
    check.hint =
        "--pod-timeout gives it longer; a first pull of its image may "
        "take minutes";
  } else {
    check.evidence = fmt::format("phase {}: {}", text_of(status, "phase"),
                                 facts::last_line(end.log));
    check.hint = "level 4 tries the same without Kubernetes";
  }
}

}  // namespace

VerifyChecks verify_kubelet(const Result<std::string>& node, std::size_t gpus) {
  const Json json = node ? parsed(*node) : Json();
  if (!node || !json.is_object()) {
    VerifyChecks checks = skipped_level(5, "the Node could not be read");
    checks.front().verdict = Verdict::kFail;
    checks.front().evidence =
        node ? "the API server's answer is no Node" : node.error().message();
    checks.front().hint =
        "is this host in a cluster? --kubeconfig and --node-name say which";
    return checks;
  }
  return {node_check(json), allocatable_check(json, gpus)};
}

bool has_pod_ended(const std::string& pod) {
  const std::string phase = text_of(at(parsed(pod), "status"), "phase");
  return phase == "Succeeded" || phase == "Failed";
}

VerifyChecks verify_pod(const Result<PodEnd>& end) {
  VerifyCheck check{.level = 6, .id = "pod.vectoradd"};
  check.verdict = Verdict::kFail;
  if (!end) {
    check.evidence = end.error().message();
    check.hint =
        "whoever --kubeconfig names must be allowed to create, get and delete "
        "Pods and read their logs; --print-pod prints one to apply yourself";
    return {check};
  }
  const Json pod = parsed(end->pod);
  const bool has_passed = text_of(at(pod, "status"), "phase") == "Succeeded" &&
                          end->log.find(kPassed) != std::string::npos;
  if (has_passed) {
    check.verdict = Verdict::kPass;
    check.evidence = "its log ends: Test PASSED";
  } else {
    tell_failure(pod, *end, check);
  }
  return {check};
}

}  // namespace gpunode::diagnose
