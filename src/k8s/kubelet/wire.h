// Bytes of the device plugin API <-> the plain types of handler.h.
//
// Protobuf is used in wire.cc only, gRPC not at all: what is sent can be
// tested to the byte without a socket.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "k8s/kubelet/handler.h"
#include "k8s/kubelet/registration.h"

namespace gpunode::kubelet::wire {

/// RegisterRequest.
std::string encode(const Registration& registration);

/// DevicePluginOptions, as every plugin of ours answers them.
std::string encode_options();

/// ListAndWatchResponse.
std::string encode(const std::vector<Device>& devices);

/// AllocateResponse: one entry a container, in the order of the request.
std::string encode(const std::vector<ContainerAllocation>& containers);

/// PreferredAllocationResponse: the ids chosen for each container.
std::string encode_preferred(
    const std::vector<std::vector<std::string>>& containers);

/// AllocateRequest: the ids asked for by each container. kCorrupt if `bytes`
/// is something else.
Result<std::vector<std::vector<std::string>>> decode_allocate(
    std::string_view bytes);

/// PreferredAllocationRequest, one entry a container. kCorrupt as above.
Result<std::vector<PreferredAllocationRequest>> decode_preferred(
    std::string_view bytes);

}  // namespace gpunode::kubelet::wire
