// Actions as the journal and plan files have them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/action.h"

namespace gpunode::provision {

/// One JSON object on one line: {"kind":"write-file","path":…}.
std::string to_json(const Action& action);

/// kCorrupt for anything that is not exactly an Action of this version: an
/// unknown kind or field, one that is missing or of another type.
Result<Action> action_from_json(std::string_view json);

/// Equal in every field.
bool same_action(const Action& a, const Action& b);

}  // namespace gpunode::provision
