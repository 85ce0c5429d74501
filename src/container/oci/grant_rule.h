// require-allocation: a container is what its Pod was granted, whatever its
// image or its Pod's spec says (docs/adr/0011).
#pragma once

#include <optional>
#include <string>

#include "container/oci/container_config.h"
#include "container/oci/container_request.h"
#include "container/oci/kubelet_record.h"
#include "container/oci/toolkit_config.h"

namespace gpunode::oci {

/// What of `config` a request may be read from: devices, channels and gates as
/// the grant has them, capabilities and requirements as the container has
/// them. Without text and places, so only for read_request().
ContainerConfig restrict_to_grant(const ContainerConfig& config,
                                  const Grant& grant,
                                  const ToolkitConfig& rules);

/// What a container asked for beyond its grant, as one line for people: "no GPU
/// was allocated to it", "it was allocated U1". Nothing if it asked for no GPU,
/// or for some of those that it has. `granted` is the request that the grant
/// makes.
std::optional<std::string> excess_of(const ContainerRequest& asked,
                                     const ContainerRequest& granted,
                                     const Grant& grant);

}  // namespace gpunode::oci
