#include "node/rollout/bring_pod.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "node/rollout/object_view.h"

namespace gpunode::rollout {
namespace {

using text::Node;
using Kind = BringState::Kind;

/// Restarts of a bringer that fails at its own work, until nobody believes any
/// more that it helps.
constexpr int kPatience = 3;

int number_at(const Node& node, const text::KeyPath& path) {
  const Node* const found = text::find_at(node, path);
  int number = 0;
  if (found == nullptr) return number;
  const std::string& digits = found->scalar;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

/// The last line that is not empty: a bringer says at its end how it ended.
std::string last_line(std::string_view message) {
  while (!message.empty()) {
    const std::size_t end = message.find_last_not_of(" \r\n\t");
    if (end == std::string_view::npos) return {};
    message = message.substr(0, end + 1);
    const std::size_t begin = message.rfind('\n');
    return std::string(
        begin == std::string_view::npos ? message : message.substr(begin + 1));
  }
  return {};
}

/// How the container ended, now or the time before; nullptr: it never did.
const Node* ended_of(const Node& container) {
  for (const char* state : {"state", "lastState"}) {
    const Node* const ended = text::find_at(container, {state, "terminated"});
    if (ended != nullptr && !ended->entries.empty()) return ended;
  }
  return nullptr;
}

std::string waiting_words(const Node& container) {
  const Node* const waiting = text::find_at(container, {"state", "waiting"});
  const std::string reason = text_in(waiting, "reason");
  const std::string message = text_in(waiting, "message");
  return message.empty() ? reason : reason + ": " + message;
}

BringState state_of(const Node& pod) {
  BringState state{Kind::kWaiting, text::string_at(pod, {"metadata", "name"}),
                   ""};
  if (text_in(condition_at(pod, "Ready"), "status") == "True") {
    state.kind = Kind::kDone;
    return state;
  }
  const Node* const containers =
      text::find_at(pod, {"status", "containerStatuses"});
  if (containers == nullptr || containers->items.empty()) {
    const Node* const scheduled = condition_at(pod, "PodScheduled");
    if (text_in(scheduled, "status") == "False") {
      state.words = text_in(scheduled, "message");
    }
    return state;
  }
  const Node& container = containers->items.front();
  if (const Node* const ended = ended_of(container)) {
    const int code = number_at(*ended, {"exitCode"});
    const std::string words = last_line(text_in(ended, "message"));
    state.words = words.empty() ? fmt::format("it ended with {}", code) : words;
    const bool is_hopeless =
        code == 1 && number_at(container, {"restartCount"}) >= kPatience;
    if (code == kRunFailedExit || is_hopeless) {
      state.kind = Kind::kFailed;
      return state;
    }
  }
  if (text::find_at(container, {"state", "running"}) != nullptr) {
    state.kind = Kind::kRunning;
    state.words.clear();
  } else if (auto words = waiting_words(container);
             !words.empty() && !words.starts_with("CrashLoopBackOff")) {
    state.words = words;
  }
  return state;
}

bool is_leaving(const Node& pod) {
  return !text::string_at(pod, {"metadata", "deletionTimestamp"}).empty();
}

}  // namespace

Result<BringState> read_bring_state(const std::vector<std::string>& pods,
                                    const std::string& digest) {
  std::optional<Node> newest;
  for (const std::string& json : pods) {
    TRY(Node pod, read_object(json));
    const auto made = [](const Node& one) {
      return text::string_at(one, {"metadata", "creationTimestamp"});
    };
    const std::string file =
        text::string_at(pod, {"metadata", "annotations", kBringFileAnnotation});
    if (is_leaving(pod) || file != digest) continue;
    if (!newest || made(*newest) < made(pod)) newest = std::move(pod);
  }
  if (!newest) return BringState{};
  return state_of(*newest);
}

Result<std::vector<kube::ObjectKey>> bring_pods(
    const std::vector<std::string>& pods) {
  std::vector<kube::ObjectKey> keys;
  for (const std::string& json : pods) {
    TRY(const Node pod, read_object(json));
    if (is_leaving(pod)) continue;
    keys.push_back({text::string_at(pod, {"metadata", "namespace"}),
                    text::string_at(pod, {"metadata", "name"})});
  }
  return keys;
}

}  // namespace gpunode::rollout
