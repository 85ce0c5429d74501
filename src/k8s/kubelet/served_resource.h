// One resource as it is served: its handler, its list, its open streams.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/mutex.h"
#include "k8s/kubelet/handler.h"
#include "k8s/kubelet/server.h"

namespace gpunode::kubelet {

/// A ListAndWatch stream, as its resource sees it. One send or end is under
/// way at a time; when a send is through, ServedResource::sent() is called.
class ListStream {
 public:
  virtual ~ListStream() = default;

  /// Starts sending `list`, an encoded ListAndWatchResponse that several
  /// streams share. Does not block.
  virtual void send(const std::shared_ptr<const std::string>& list) = 0;

  /// Starts ending the stream. Does not block.
  virtual void end() = 0;
};

/// Counts the calls of one method.
class CallCounter {
 public:
  void add(bool is_error, Duration spent);
  CallStats read() const;

 private:
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<std::int64_t> spent_ns_{0};
};

/// Methods may be called from any thread. ListStream's methods are called
/// with the resource locked: they may not call back.
class ServedResource {
 public:
  ServedResource(std::string name,
                 std::shared_ptr<const DevicePluginHandler> handler,
                 const std::vector<Device>& devices);

  const std::string& name() const { return name_; }

  std::shared_ptr<const DevicePluginHandler> handler() const EXCLUDES(mutex_);
  void set_handler(std::shared_ptr<const DevicePluginHandler> handler)
      EXCLUDES(mutex_);

  /// Encodes the list once and sends it on every stream that is not busy;
  /// the others follow when they are done, with what is the list then.
  void publish(const std::vector<Device>& devices) EXCLUDES(mutex_);

  /// Publishes an empty list and ends each stream, present or to come, after
  /// it. Returns true when they all have ended, false at `until`.
  bool say_farewell(TimePoint until) EXCLUDES(mutex_);

  /// A stream opens: it is sent the list. It must stay until detach().
  void attach(ListStream* stream) EXCLUDES(mutex_);
  /// A send is through. `ok` is false if the client is gone.
  void sent(ListStream* stream, bool ok) EXCLUDES(mutex_);
  /// The client has gone away.
  void abandoned(ListStream* stream) EXCLUDES(mutex_);
  void detach(ListStream* stream) EXCLUDES(mutex_);

  CallCounter& allocate() { return allocate_; }
  CallCounter& preferred_allocation() { return preferred_allocation_; }

  /// All but what is known of connections.
  ResourceStats stats() const EXCLUDES(mutex_);

 private:
  struct Watcher {
    ListStream* stream = nullptr;
    std::uint64_t sent = 0;  // The version it has, or is being sent.
    bool is_sending = false;
    bool is_abandoned = false;
    bool is_ending = false;
  };

  void set_list(const std::vector<Device>& devices) REQUIRES(mutex_);
  void advance(Watcher& watcher) REQUIRES(mutex_);
  Watcher* find(const ListStream* stream) REQUIRES(mutex_);

  const std::string name_;
  CallCounter allocate_;
  CallCounter preferred_allocation_;

  mutable Mutex mutex_;
  std::condition_variable_any all_gone_;
  std::shared_ptr<const DevicePluginHandler> handler_ GUARDED_BY(mutex_);
  std::shared_ptr<const std::string> list_ GUARDED_BY(mutex_);
  std::size_t devices_ GUARDED_BY(mutex_) = 0;
  std::uint64_t version_ GUARDED_BY(mutex_) = 0;
  bool is_leaving_ GUARDED_BY(mutex_) = false;
  std::list<Watcher> watchers_ GUARDED_BY(mutex_);
};

}  // namespace gpunode::kubelet
