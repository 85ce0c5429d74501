// One call of the kubelet's, from its arrival to its end.
//
// Calls are taken from gRPC by method name and bytes (the generic service):
// one state machine serves the five methods, a list is encoded once for all
// streams, and no generated stub is compiled.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server_context.h>

#include "base/core/mutex.h"
#include "k8s/kubelet/connections.h"
#include "k8s/kubelet/served_resource.h"

namespace gpunode::kubelet {

/// Counts calls, the waiting one included. Any thread.
class LiveCalls {
 public:
  void enter() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    ++count_;
  }
  void leave() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (--count_ == 0) none_left_.notify_all();
  }
  void wait_until_none() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (count_ > 0) none_left_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  std::condition_variable_any none_left_;
  std::size_t count_ GUARDED_BY(mutex_) = 0;
};

/// What calls need of their server. Outlives them.
struct CallSource {
  grpc::AsyncGenericService service;
  grpc::ServerCompletionQueue* queue = nullptr;
  Connections* connections = nullptr;
  /// The queue may be shut down when these have left: a call that is being
  /// cancelled still begins operations, and gRPC aborts if it does so late.
  LiveCalls live;
  /// Null if the resource has been removed.
  std::function<std::shared_ptr<ServedResource>(const std::string& name)> find;
};

/// Owns itself: it ends when gRPC has returned every tag it holds. All its
/// steps run on the thread that drains the queue; send() and end() may run on
/// any, with the resource locked.
class Call final : public ListStream {
 public:
  /// Waits for the next call. A call that arrives waits for its successor.
  static void await(CallSource& source);

  /// Takes a tag that the queue has returned.
  static void proceed(void* tag, bool ok);

  void send(const std::shared_ptr<const std::string>& list) override;
  void end() override;

 private:
  using Step = void (Call::*)(bool ok);
  struct Tag {
    Call* call;
    Step step;
  };

  explicit Call(CallSource& source);
  ~Call() override { source_.live.leave(); }

  void arrived(bool ok);
  void received(bool ok);
  void sent(bool ok);
  void ended(bool ok);
  void done(bool ok);
  void leave();

  void dispatch(std::string_view method, std::string_view request);
  void allocate(std::string_view request);
  void prefer(std::string_view request);
  void answer(const std::string& response);
  void refuse(grpc::StatusCode code, const std::string& message);

  CallSource& source_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  grpc::ByteBuffer request_;
  Connections::Caller caller_;
  std::shared_ptr<ServedResource> resource_;
  bool is_watching_ = false;
  int tags_out_ = 0;  // Of ended_ and done_: when both are back, it is over.

  Tag arrived_{this, &Call::arrived};
  Tag received_{this, &Call::received};
  Tag sent_{this, &Call::sent};
  Tag ended_{this, &Call::ended};
  Tag done_{this, &Call::done};
};

}  // namespace gpunode::kubelet
