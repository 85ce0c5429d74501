#include "k8s/kubelet/event_engine.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <absl/synchronization/mutex.h>
#include <grpc/event_engine/event_engine.h>
#include <pthread.h>

#include "base/core/mutex.h"

namespace gpunode::kubelet {
namespace {

using grpc_event_engine::experimental::EndpointConfig;
using grpc_event_engine::experimental::EventEngine;
using grpc_event_engine::experimental::MemoryAllocator;
using grpc_event_engine::experimental::MemoryAllocatorFactory;
using SteadyClock = std::chrono::steady_clock;
using Task = absl::AnyInvocable<void()>;

// What the engine's handle and its thread share: the thread may outlive the
// handle by the closure in which gRPC drops its last reference.
class TaskQueue {
 public:
  // Returns the task's number, for cancel().
  std::intptr_t add(SteadyClock::time_point due, Task task) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const Key key{due, ++last_number_};
    const bool is_first = tasks_.empty() || key < tasks_.begin()->first;
    tasks_.emplace(key, std::move(task));
    due_.emplace(key.number, due);
    if (is_first) changed_.notify_one();
    return key.number;
  }

  bool cancel(std::intptr_t number) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto found = due_.find(number);
    if (found == due_.end()) return false;
    tasks_.erase(Key{found->second, number});
    due_.erase(found);
    return true;
  }

  void stop() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    is_stopped_ = true;
    changed_.notify_one();
  }

  void run() EXCLUDES(mutex_) {
    for (Task task = next(); task; task = next()) task();
  }

 private:
  struct Key {
    SteadyClock::time_point due;
    std::intptr_t number;  // Tasks due at once run in the order of coming.
    bool operator<(const Key& other) const {
      return due != other.due ? due < other.due : number < other.number;
    }
  };

  // Waits for a task to be due; an empty one at the end.
  Task next() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!is_stopped_) {
      if (tasks_.empty()) {
        changed_.wait(mutex_);
        continue;
      }
      const auto first = tasks_.begin();
      const Key key = first->first;
      if (key.due > SteadyClock::now()) {
        changed_.wait_until(mutex_, key.due);
        continue;
      }
      Task task = std::move(first->second);
      tasks_.erase(first);
      due_.erase(key.number);
      return task;
    }
    return {};
  }

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Key, Task> tasks_ GUARDED_BY(mutex_);
  std::map<std::intptr_t, SteadyClock::time_point> due_ GUARDED_BY(mutex_);
  std::intptr_t last_number_ GUARDED_BY(mutex_) = 0;
  bool is_stopped_ GUARDED_BY(mutex_) = false;
};

class OneThreadEngine final : public EventEngine {
 public:
  OneThreadEngine() = default;
  OneThreadEngine(const OneThreadEngine&) = delete;
  OneThreadEngine& operator=(const OneThreadEngine&) = delete;

  ~OneThreadEngine() override {
    queue_->stop();
    if (!thread_.joinable()) return;
    // gRPC may drop its last reference in a task of ours. A thread cannot
    // join itself; it ends as soon as that task returns.
    if (IsWorkerThread()) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }

  // gRPC 1.51 runs its sockets through its older pollers; the engine's
  // network side is not called.
  absl::StatusOr<std::unique_ptr<Listener>> CreateListener(
      Listener::AcceptCallback, absl::AnyInvocable<void(absl::Status)>,
      const EndpointConfig&, std::unique_ptr<MemoryAllocatorFactory>) override {
    return absl::UnimplementedError("timers only");
  }
  ConnectionHandle Connect(OnConnectCallback on_connect, const ResolvedAddress&,
                           const EndpointConfig&, MemoryAllocator,
                           Duration) override {
    Run([callback = std::move(on_connect)]() mutable {
      callback(absl::UnimplementedError("timers only"));
    });
    return {{-1, -1}};
  }
  bool CancelConnect(ConnectionHandle) override { return false; }
  std::unique_ptr<DNSResolver> GetDNSResolver(
      const DNSResolver::ResolverOptions&) override {
    return nullptr;
  }

  bool IsWorkerThread() override {
    return thread_.get_id() == std::this_thread::get_id();
  }
  void Run(Closure* closure) override {
    Run([closure] { closure->Run(); });
  }
  void Run(Task closure) override { RunAfter(Duration(0), std::move(closure)); }
  TaskHandle RunAfter(Duration when, Closure* closure) override {
    return RunAfter(when, [closure] { closure->Run(); });
  }
  TaskHandle RunAfter(Duration when, Task closure) override {
    std::call_once(started_, [this] {
      thread_ = std::thread([queue = queue_] {
        ::pthread_setname_np(::pthread_self(), "grpc-engine");
        queue->run();
      });
    });
    // In floating point: a Duration of "for ever" would overflow the sum.
    const auto now = SteadyClock::now();
    const std::chrono::duration<double> wanted = when;
    const auto due =
        wanted < std::chrono::hours(24 * 365)
            ? now + std::chrono::duration_cast<SteadyClock::duration>(when)
            : SteadyClock::time_point::max();
    return {{queue_->add(due, std::move(closure)), 0}};
  }
  bool Cancel(TaskHandle handle) override {
    return queue_->cancel(handle.keys[0]);
  }

 private:
  std::shared_ptr<TaskQueue> queue_ = std::make_shared<TaskQueue>();
  std::once_flag started_;
  std::thread thread_;
};

}  // namespace

void use_one_thread_engine() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Debian builds abseil with its checks on: a graph of every mutex held is
    // then kept and searched at each lock. That is for finding gRPC's bugs.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc_event_engine::experimental::SetEventEngineFactory(
        [] { return std::make_unique<OneThreadEngine>(); });
  });
}

}  // namespace gpunode::kubelet
