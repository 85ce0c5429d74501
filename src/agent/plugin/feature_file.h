// The feature file of Node Feature Discovery: labels on their way to the node.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::plugin {

/// Makes the file `path`, mode 0644, hold `text`, in one step: its reader never
/// sees half of it. A file that does so already is left alone. An empty path is
/// standard output. The directory is not made: whoever reads it does that.
Result<void> write_feature_file(const std::string& path, std::string_view text);

/// Removes it, with the directory gfd-tmp that old versions of the peer's left
/// beside it. That there is none is no failure, nor is an empty path.
Result<void> remove_feature_file(const std::string& path);

}  // namespace gpunode::plugin
