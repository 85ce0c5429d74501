#include "k8s/kubelet/call.h"

#include <charconv>
#include <string_view>
#include <utility>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "base/core/clock.h"
#include "k8s/kubelet/wire.h"

namespace gpunode::kubelet {
namespace {

constexpr std::string_view kService = "/v1beta1.DevicePlugin/";

// A status travels in the headers, of which a peer need not take more than
// 8 KiB, and is percent-encoded there. Ids from the request are part of it.
constexpr std::size_t kLongestMessage = 2048;

// "fd:17", as gRPC names the peer of a descriptor that it was handed.
int descriptor_of(const std::string& peer) {
  constexpr std::string_view kPrefix = "fd:";
  int fd = -1;
  if (peer.compare(0, kPrefix.size(), kPrefix) == 0) {
    std::from_chars(peer.data() + kPrefix.size(), peer.data() + peer.size(),
                    fd);
  }
  return fd;
}

void release_list(void* list) {
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): made in to_buffer().
  delete static_cast<std::shared_ptr<const std::string>*>(list);
}

// Shares the bytes with gRPC instead of copying them for each stream.
grpc::ByteBuffer to_buffer(const std::shared_ptr<const std::string>& list) {
  if (list->empty()) return {nullptr, 0};
  auto held = std::make_unique<std::shared_ptr<const std::string>>(list);
  // gRPC reads the bytes; its interface is older than const.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
  char* bytes = const_cast<char*>(list->data());
  const grpc::Slice slice(bytes, list->size(), release_list, held.release());
  return {&slice, 1};
}

}  // namespace

Call::Call(CallSource& source) : source_(source), stream_(&context_) {
  source_.live.enter();
}

void Call::await(CallSource& source) {
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): deleted in leave().
  auto* call = new Call(source);
  call->context_.AsyncNotifyWhenDone(&call->done_);
  source.service.RequestCall(&call->context_, &call->stream_, source.queue,
                             source.queue, &call->arrived_);
}

void Call::proceed(void* tag, bool ok) {
  const Tag& returned = *static_cast<Tag*>(tag);
  (returned.call->*returned.step)(ok);
}

void Call::arrived(bool ok) {
  if (!ok) {  // The server is ending; done_ does not come.
    delete this;
    return;
  }
  await(source_);
  tags_out_ = 2;
  caller_ = source_.connections->begin_call(descriptor_of(context_.peer()));
  resource_ = source_.find(caller_.owner);
  stream_.Read(&request_, &received_);
}

void Call::received(bool ok) {
  if (!ok) {
    refuse(grpc::StatusCode::INVALID_ARGUMENT, "the request is missing");
    return;
  }
  if (!resource_) {
    refuse(grpc::StatusCode::UNAVAILABLE, "the resource is not served here");
    return;
  }
  const std::string& path = context_.method();
  if (path.compare(0, kService.size(), kService) != 0) {
    refuse(grpc::StatusCode::UNIMPLEMENTED, "unknown method " + path);
    return;
  }
  grpc::Slice request;
  if (!request_.TrySingleSlice(&request).ok() &&
      !request_.DumpToSingleSlice(&request).ok()) {
    refuse(grpc::StatusCode::INTERNAL, "the request cannot be read");
    return;
  }
  dispatch(std::string_view(path).substr(kService.size()),
           // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
           {reinterpret_cast<const char*>(request.begin()), request.size()});
}

void Call::dispatch(std::string_view method, std::string_view request) {
  if (method == "Allocate") {
    allocate(request);
  } else if (method == "GetPreferredAllocation") {
    prefer(request);
  } else if (method == "ListAndWatch") {
    is_watching_ = true;
    resource_->attach(this);
  } else if (method == "GetDevicePluginOptions") {
    answer(wire::encode_options());
  } else if (method == "PreStartContainer") {
    answer({});
  } else {
    refuse(grpc::StatusCode::UNIMPLEMENTED,
           "unknown method " + context_.method());
  }
}

void Call::allocate(std::string_view request) {
  auto wanted = wire::decode_allocate(request);
  if (!wanted) {
    refuse(grpc::StatusCode::INVALID_ARGUMENT, wanted.error().message());
    return;
  }
  const TimePoint begin = SystemClock().now();
  const auto handler = resource_->handler();
  std::vector<ContainerAllocation> given;
  for (const std::vector<std::string>& ids : *wanted) {
    auto allocation = handler->allocate(ids);
    if (!allocation) {
      resource_->allocate().add(true, SystemClock().now() - begin);
      refuse(grpc::StatusCode::UNKNOWN, allocation.error().message());
      return;
    }
    given.push_back(*std::move(allocation));
  }
  resource_->allocate().add(false, SystemClock().now() - begin);
  answer(wire::encode(given));
}

void Call::prefer(std::string_view request) {
  auto wanted = wire::decode_preferred(request);
  if (!wanted) {
    refuse(grpc::StatusCode::INVALID_ARGUMENT, wanted.error().message());
    return;
  }
  const TimePoint begin = SystemClock().now();
  const auto handler = resource_->handler();
  std::vector<std::vector<std::string>> chosen;
  for (const PreferredAllocationRequest& container : *wanted) {
    auto ids = handler->preferred_allocation(container);
    if (!ids) {
      resource_->preferred_allocation().add(true, SystemClock().now() - begin);
      refuse(grpc::StatusCode::UNKNOWN, ids.error().message());
      return;
    }
    chosen.push_back(*std::move(ids));
  }
  resource_->preferred_allocation().add(false, SystemClock().now() - begin);
  answer(wire::encode_preferred(chosen));
}

void Call::answer(const std::string& response) {
  const grpc::Slice slice(response);
  stream_.WriteAndFinish(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(),
                         grpc::Status::OK, &ended_);
}

void Call::refuse(grpc::StatusCode code, const std::string& message) {
  stream_.Finish(grpc::Status(code, message.substr(0, kLongestMessage)),
                 &ended_);
}

void Call::send(const std::shared_ptr<const std::string>& list) {
  stream_.Write(to_buffer(list), &sent_);
}

void Call::end() {
  stream_.Finish(grpc::Status::OK, &ended_);
}

void Call::sent(bool ok) {
  resource_->sent(this, ok);
}

void Call::ended(bool /*ok*/) {
  if (is_watching_) resource_->detach(this);
  leave();
}

void Call::done(bool /*ok*/) {
  if (is_watching_) resource_->abandoned(this);
  leave();
}

void Call::leave() {
  if (--tags_out_ > 0) return;
  source_.connections->end_call(caller_.connection);
  delete this;
}

}  // namespace gpunode::kubelet
