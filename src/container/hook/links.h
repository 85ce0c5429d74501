// Links that the driver's files need beside them: libcuda.so.1 and the like.
#pragma once

#include <string>
#include <string_view>

#include "base/host/root_directory.h"

namespace gpunode::hook {

/// A link to be in the container. Passive data.
struct Link {
  std::string target;  ///< Its text, not resolved.
  std::string path;    ///< In the container.
};

/// Reads "TARGET::PATH"; kInvalidArgument without either.
Result<Link> parse_link(std::string_view text);

/// Makes `link`, with its parents, inside the root. Nothing is done if it is
/// there with this text, or if what it leads to is the file that this link
/// would lead to and the root cannot be written to.
Result<host::Change> make_link(const host::RootDirectory& root,
                               const Link& link);

}  // namespace gpunode::hook
