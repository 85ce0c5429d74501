// Names of extended resources, as NVIDIA's plugin accepts them.
#pragma once

#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::config {

/// `written` with "nvidia.com/" before it, unless it starts so. Fails with
/// kInvalidArgument and the peer's words if the whole is longer than 63
/// characters or the part after the first "/" is no DNS-1123 subdomain.
Result<std::string> parse_resource_name(std::string_view written);

/// True for what may stand in a `devices:` list: "0", "0:1", "GPU-<uuid>",
/// "MIG-<uuid>", "MIG-GPU-<uuid>/<gi>/<ci>".
bool is_device_ref(std::string_view text);

}  // namespace gpunode::config
