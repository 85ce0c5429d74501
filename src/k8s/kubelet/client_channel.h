// A connection to the kubelet for a few calls. Internal to the room.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/channel.h>

#include "base/core/result.h"

namespace gpunode::kubelet {

/// Connects to the kubelet's socket within `timeout`; kUnavailable if nobody
/// listens there. Answers larger than `most_bytes` are an error of the call.
///
/// Calls on it may carry no deadline of gRPC's: that would be a timer, and
/// timers cost the process a thread. Wait with AsyncNext() and cancel.
Result<std::shared_ptr<grpc::Channel>> connect_channel(
    const std::string& socket, std::chrono::milliseconds timeout,
    int most_bytes = 4 << 20);

}  // namespace gpunode::kubelet
