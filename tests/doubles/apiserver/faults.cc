#include "tests/doubles/apiserver/faults.h"

#include <utility>

#include "base/text/node.h"

namespace gpunode::kube::apiserver {

void Faults::refuse(Reply refusal, unsigned times, const std::string& method) {
  refusal_ = std::move(refusal);
  times_ = times;
  method_ = method;
}

void Faults::hold_evictions(unsigned times, const std::string& words) {
  held_ = times;
  held_words_ = words;
}

Faults::Fate Faults::next_fate() {
  if (lost_ == 0 && resets_ == 0) return Fate::kAnswered;
  if (passed_ > 0) {
    --passed_;
    return Fate::kAnswered;
  }
  if (lost_ > 0) {
    --lost_;
    return Fate::kLost;
  }
  --resets_;
  return Fate::kReset;
}

std::optional<Reply> Faults::next(const Request& request) {
  if (times_ > 0 && (method_.empty() || method_ == request.method)) {
    --times_;
    return refusal_;
  }
  if (const auto refused = refused_.find(request.path);
      refused != refused_.end()) {
    return refused->second;
  }
  const bool is_known =
      token_.empty() || request.head.find("\r\nAuthorization: Bearer " +
                                          token_ + "\r\n") != std::string::npos;
  if (!is_known) return Reply::failure(401, "Unauthorized", "Unauthorized");
  if (!has_node_features_ && request.path.starts_with("/apis/nfd.")) {
    return Reply{404, "404 page not found\n", ""};  // So, and no Status.
  }
  if (held_ > 0 && request.path.ends_with("/eviction")) {
    --held_;
    return Reply{
        429,
        R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":)"
        R"("Cannot evict pod as it would violate the pod's disruption)"
        R"( budget.","reason":"TooManyRequests","details":{"causes":[)"
        R"({"reason":"DisruptionBudget","message":)" +
            text::json_string(held_words_) + R"(}]},"code":429})",
        ""};
  }
  return std::nullopt;
}

}  // namespace gpunode::kube::apiserver
