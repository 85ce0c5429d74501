#include "k8s/kubelet/registration.h"

#include <memory>
#include <optional>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include "k8s/kubelet/client_channel.h"
#include "k8s/kubelet/wire.h"

namespace gpunode::kubelet {
namespace {

// One Register call in flight. It carries no deadline of gRPC's: that would be
// a timer, and timers cost the process a thread.
struct Register {
  grpc::ClientContext context;
  grpc::ByteBuffer response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
};

Result<void> outcome(const Registration& registration,
                     const grpc::Status& status) {
  if (status.ok()) return {};
  const std::string attempted =
      "register " + registration.resource_name + " with the kubelet: ";
  switch (status.error_code()) {
    case grpc::StatusCode::CANCELLED:  // By us; see await().
      return Error(ErrorCode::kUnavailable, attempted + "no answer in time");
    case grpc::StatusCode::UNAVAILABLE:
      return Error(ErrorCode::kUnavailable, attempted + status.error_message());
    case grpc::StatusCode::UNIMPLEMENTED:
      return Error(ErrorCode::kUnsupported, attempted + status.error_message());
    default:  // The kubelet's own refusals come as Unknown.
      return Error(ErrorCode::kInvalidArgument,
                   attempted + status.error_message());
  }
}

// Waits until every call has ended, those that take too long by force.
void await(grpc::CompletionQueue& queue,
           const std::vector<std::unique_ptr<Register>>& calls,
           std::chrono::system_clock::time_point deadline) {
  void* tag = nullptr;
  bool ok = false;
  for (std::size_t ended = 0; ended < calls.size(); ++ended) {
    if (queue.AsyncNext(&tag, &ok, deadline) !=
        grpc::CompletionQueue::TIMEOUT) {
      continue;
    }
    for (const auto& call : calls) call->context.TryCancel();
    break;
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

}  // namespace

std::vector<Result<void>> register_plugins(
    const std::string& kubelet_socket,
    const std::vector<Registration>& registrations,
    std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::system_clock::now() + timeout;
  const auto channel = connect_channel(kubelet_socket, timeout);
  if (!channel) {
    return {registrations.size(), Result<void>(channel.error())};
  }
  grpc::GenericStub stub(*channel);
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Register>> calls;
  for (const Registration& registration : registrations) {
    auto& call = calls.emplace_back(std::make_unique<Register>());
    const grpc::Slice request(wire::encode(registration));
    call->reader =
        stub.PrepareUnaryCall(&call->context, "/v1beta1.Registration/Register",
                              grpc::ByteBuffer(&request, 1), &queue);
    call->reader->StartCall();
    call->reader->Finish(&call->response, &call->status, call.get());
  }
  await(queue, calls, deadline);
  std::vector<Result<void>> results;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    results.push_back(outcome(registrations[i], calls[i]->status));
  }
  return results;
}

Result<void> register_plugin(const std::string& kubelet_socket,
                             const Registration& registration,
                             std::chrono::milliseconds timeout) {
  return register_plugins(kubelet_socket, {registration}, timeout).front();
}

}  // namespace gpunode::kubelet
