// What was in a file when it was looked at, short enough for a journal.
#pragma once

#include <optional>
#include <string>

#include "base/core/error.h"

namespace gpunode::provision {

/// "absent", or "sha256:" and the digest of the content.
std::string seen_content(const std::optional<std::string>& content);

/// Somebody changed `path` between the plan and what it planned there;
/// kAlreadyExists.
Error changed_since_plan(const std::string& path);

}  // namespace gpunode::provision
