// The toolkit's configuration as nvidia-ctk writes it, and which keys it has.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/text/tree.h"

namespace gpunode::cli {

/// The default file's text. `has_real_ldconfig`: the host has
/// /sbin/ldconfig.real, as Ubuntu's does.
std::string default_toolkit_config(bool has_real_ldconfig);

/// One key=value of --set, understood by the key's type.
struct SetOption {
  text::KeyPath path;
  bool is_removal = false;  ///< nil for an optional key.
  text::Node value;
};

/// Fails with kInvalidArgument and NVIDIA's words. Lists are split at
/// `separator`, or at commas if it does not occur.
Result<SetOption> parse_set_option(const std::string& written,
                                   const std::string& separator);

}  // namespace gpunode::cli
