// `gpunode top --json`: a moment as one JSON object (docs/formats/top.md).
#pragma once

#include <string>

#include "apps/gpunode/top/snapshot.h"
#include "apps/gpunode/top/view.h"

namespace gpunode::top {

/// Holders as `view` chooses and sorts them. One line with its end if
/// `is_line`, else indented. What nobody tells is absent.
std::string document(const Snapshot& snapshot, const View& view, bool is_line);

}  // namespace gpunode::top
