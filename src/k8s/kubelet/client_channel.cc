#include "k8s/kubelet/client_channel.h"

#include <utility>

#include <grpcpp/create_channel_posix.h>

#include "k8s/kubelet/event_engine.h"
#include "k8s/kubelet/listening_socket.h"

namespace gpunode::kubelet {

Result<std::shared_ptr<grpc::Channel>> connect_channel(
    const std::string& socket, std::chrono::milliseconds timeout,
    int most_bytes) {
  TRY(UniqueFd connection, connect_unix(socket, timeout));
  use_one_thread_engine();
  grpc::ChannelArguments arguments;
  // What Go's clients send on a unix socket.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // A few small calls.
  arguments.SetMaxReceiveMessageSize(most_bytes);
  // A connection made here needs no resolver, no balancer and no back-off:
  // the first call is sent at once, and there is no second attempt.
  return grpc::CreateCustomInsecureChannelFromFd(
      "localhost", connection.release(), arguments);
}

}  // namespace gpunode::kubelet
