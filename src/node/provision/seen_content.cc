#include "node/provision/seen_content.h"

#include <fmt/format.h>

#include "base/digest/digest.h"

namespace gpunode::provision {

std::string seen_content(const std::optional<std::string>& content) {
  return content ? "sha256:" + digest::sha256(*content) : "absent";
}

Error changed_since_plan(const std::string& path) {
  return {ErrorCode::kAlreadyExists,
          fmt::format("{} was changed since the plan was made, and stays as it "
                      "is; look at it, then `gpunode apply` plans anew",
                      path)};
}

}  // namespace gpunode::provision
