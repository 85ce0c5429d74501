#include "tests/doubles/apiserver/faults.h"

#include <utility>

namespace gpunode::kube::apiserver {

void Faults::refuse(Reply refusal, unsigned times, const std::string& method) {
  refusal_ = std::move(refusal);
  times_ = times;
  method_ = method;
}

std::optional<Reply> Faults::next(const Request& request) {
  if (times_ > 0 && (method_.empty() || method_ == request.method)) {
    --times_;
    return refusal_;
  }
  const bool is_known =
      token_.empty() || request.head.find("\r\nAuthorization: Bearer " +
                                          token_ + "\r\n") != std::string::npos;
  if (!is_known) return Reply::failure(401, "Unauthorized", "Unauthorized");
  if (!has_node_features_ && request.path.starts_with("/apis/nfd.")) {
    return Reply{404, "404 page not found\n", ""};  // So, and no Status.
  }
  return std::nullopt;
}

}  // namespace gpunode::kube::apiserver
