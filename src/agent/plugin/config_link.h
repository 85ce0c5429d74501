// The link by which a program finds the config that was chosen for it.
#pragma once

#include <string>

#include "base/core/result.h"

namespace gpunode::plugin {

/// Makes `link` a symbolic link to `target`, in one step: who opens it finds
/// the old or the new config, never none. A file or another link that is there
/// is replaced; a directory is not. False, and nothing is touched, if both lead
/// to the same file already, by whatever way. Errors begin with the peer's
/// words.
Result<bool> link_config(const std::string& link, const std::string& target);

}  // namespace gpunode::plugin
