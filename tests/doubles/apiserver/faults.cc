#include "tests/doubles/apiserver/faults.h"

#include <utility>

namespace gpunode::kube::apiserver {

void Faults::refuse(Reply refusal, unsigned times) {
  refusal_ = std::move(refusal);
  times_ = times;
}

std::optional<Reply> Faults::next(const Request& request) {
  if (times_ > 0) {
    --times_;
    return refusal_;
  }
  const bool is_known =
      token_.empty() || request.head.find("\r\nAuthorization: Bearer " +
                                          token_ + "\r\n") != std::string::npos;
  if (!is_known) return Reply::failure(401, "Unauthorized", "Unauthorized");
  return std::nullopt;
}

}  // namespace gpunode::kube::apiserver
