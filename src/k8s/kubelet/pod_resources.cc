#include "k8s/kubelet/pod_resources.h"

#include <memory>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include "k8s/kubelet/client_channel.h"
#include "k8s/kubelet/holding_wire.h"

namespace gpunode::kubelet {
namespace {

using SystemTime = std::chrono::system_clock::time_point;

constexpr const char* kV1 = "/v1.PodResourcesLister/List";
constexpr const char* kV1Alpha1 = "/v1alpha1.PodResourcesLister/List";

/// As much as the kubelet's own clients take: ten thousand ids are 0.5 MB.
constexpr int kMostBytes = 16 << 20;

Error refused(const std::string& cause,
              ErrorCode code = ErrorCode::kInvalidArgument) {
  return {code, "ask the kubelet who holds devices: " + cause};
}

struct Answer {
  grpc::Status status;
  std::string bytes;
};

/// One call without arguments, cancelled at `deadline`.
Answer call(const std::shared_ptr<grpc::Channel>& channel, const char* method,
            SystemTime deadline) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  grpc::ByteBuffer response;
  Answer answer;
  const grpc::Slice nothing;
  const auto reader = stub.PrepareUnaryCall(
      &context, method, grpc::ByteBuffer(&nothing, 1), &queue);
  reader->StartCall();
  reader->Finish(&response, &answer.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  if (queue.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::TIMEOUT) {
    context.TryCancel();
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  grpc::Slice whole;
  if (answer.status.ok() && response.DumpToSingleSlice(&whole).ok()) {
    answer.bytes.assign(whole.begin(), whole.end());
  }
  return answer;
}

}  // namespace

Result<std::vector<Holding>> list_holdings(const std::string& socket,
                                           std::chrono::milliseconds timeout) {
  const SystemTime deadline = std::chrono::system_clock::now() + timeout;
  auto channel = connect_channel(socket, timeout, kMostBytes);
  if (!channel) {
    return refused(channel.error().message(), channel.error().code());
  }
  Answer answer = call(*channel, kV1, deadline);
  if (answer.status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    answer = call(*channel, kV1Alpha1, deadline);
  }
  switch (answer.status.error_code()) {
    case grpc::StatusCode::OK:
      return wire::decode_holdings(answer.bytes);
    case grpc::StatusCode::CANCELLED:  // By us; see call().
      return refused("no answer in time", ErrorCode::kUnavailable);
    case grpc::StatusCode::UNAVAILABLE:
      return refused(answer.status.error_message(), ErrorCode::kUnavailable);
    case grpc::StatusCode::UNIMPLEMENTED:
      return refused("it serves neither v1 nor v1alpha1 of PodResources",
                     ErrorCode::kUnsupported);
    default:
      return refused(answer.status.error_message());
  }
}

}  // namespace gpunode::kubelet
