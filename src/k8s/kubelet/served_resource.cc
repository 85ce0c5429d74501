#include "k8s/kubelet/served_resource.h"

#include <utility>

#include "k8s/kubelet/wire.h"

namespace gpunode::kubelet {

void CallCounter::add(bool is_error, Duration spent) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  if (is_error) errors_.fetch_add(1, std::memory_order_relaxed);
  spent_ns_.fetch_add(std::chrono::nanoseconds(spent).count(),
                      std::memory_order_relaxed);
}

CallStats CallCounter::read() const {
  return {calls_.load(std::memory_order_relaxed),
          errors_.load(std::memory_order_relaxed),
          std::chrono::nanoseconds(spent_ns_.load(std::memory_order_relaxed))};
}

ServedResource::ServedResource(
    std::string name, std::shared_ptr<const DevicePluginHandler> handler,
    const std::vector<Device>& devices)
    : name_(std::move(name)), handler_(std::move(handler)) {
  const MutexLock lock(mutex_);
  set_list(devices);
}

std::shared_ptr<const DevicePluginHandler> ServedResource::handler() const {
  const MutexLock lock(mutex_);
  return handler_;
}

void ServedResource::set_handler(
    std::shared_ptr<const DevicePluginHandler> handler) {
  {
    const MutexLock lock(mutex_);
    handler_.swap(handler);
  }
  // The old one, if this was its last owner, is destroyed outside the lock.
}

void ServedResource::publish(const std::vector<Device>& devices) {
  const MutexLock lock(mutex_);
  if (is_leaving_) return;
  set_list(devices);
  for (Watcher& watcher : watchers_) advance(watcher);
}

bool ServedResource::say_farewell(TimePoint until) {
  const MutexLock lock(mutex_);
  is_leaving_ = true;
  set_list({});
  for (Watcher& watcher : watchers_) advance(watcher);
  while (!watchers_.empty()) {
    if (all_gone_.wait_until(mutex_, until) == std::cv_status::timeout) {
      return watchers_.empty();
    }
  }
  return true;
}

void ServedResource::attach(ListStream* stream) {
  const MutexLock lock(mutex_);
  watchers_.emplace_back().stream = stream;
  advance(watchers_.back());
}

void ServedResource::sent(ListStream* stream, bool ok) {
  const MutexLock lock(mutex_);
  Watcher* watcher = find(stream);
  if (watcher == nullptr) return;
  watcher->is_sending = false;
  if (!ok) watcher->is_abandoned = true;
  advance(*watcher);
}

void ServedResource::abandoned(ListStream* stream) {
  const MutexLock lock(mutex_);
  Watcher* watcher = find(stream);
  if (watcher == nullptr) return;
  // A send that is under way comes back first, well or badly.
  watcher->is_abandoned = true;
  advance(*watcher);
}

void ServedResource::detach(ListStream* stream) {
  const MutexLock lock(mutex_);
  watchers_.remove_if([&](const Watcher& w) { return w.stream == stream; });
  if (watchers_.empty()) all_gone_.notify_all();
}

ResourceStats ServedResource::stats() const {
  ResourceStats stats;
  stats.resource_name = name_;
  stats.allocate = allocate_.read();
  stats.preferred_allocation = preferred_allocation_.read();
  const MutexLock lock(mutex_);
  stats.list_updates = version_;
  stats.devices = devices_;
  stats.streams_open = watchers_.size();
  return stats;
}

void ServedResource::set_list(const std::vector<Device>& devices) {
  list_ = std::make_shared<const std::string>(wire::encode(devices));
  devices_ = devices.size();
  ++version_;
}

void ServedResource::advance(Watcher& watcher) {
  if (watcher.is_sending || watcher.is_ending) return;
  const bool has_list = watcher.sent == version_;
  if (watcher.is_abandoned || (has_list && is_leaving_)) {
    watcher.is_ending = true;
    watcher.stream->end();
  } else if (!has_list) {
    watcher.sent = version_;
    watcher.is_sending = true;
    watcher.stream->send(list_);
  }
}

ServedResource::Watcher* ServedResource::find(const ListStream* stream) {
  for (Watcher& watcher : watchers_) {
    if (watcher.stream == stream) return &watcher;
  }
  return nullptr;
}

}  // namespace gpunode::kubelet
