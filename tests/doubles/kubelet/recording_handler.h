// A DevicePluginHandler that records what it is asked and answers from ids.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/core/mutex.h"
#include "k8s/kubelet/handler.h"

namespace gpunode::doubles {

/// Allocates env IDS=<ids, comma-joined> and prefers the last ids available,
/// or fails at everything with the message it was given. Any thread.
class RecordingHandler final : public kubelet::DevicePluginHandler {
 public:
  RecordingHandler() = default;
  explicit RecordingHandler(std::string failure)
      : failure_(std::move(failure)) {}

  Result<kubelet::ContainerAllocation> allocate(
      const std::vector<std::string>& device_ids) const override
      EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    allocated_.push_back(device_ids);
    if (failure_) return Error(ErrorCode::kInvalidArgument, *failure_);
    kubelet::ContainerAllocation allocation;
    std::string& ids = allocation.envs["IDS"];
    for (const std::string& id : device_ids) {
      ids += (ids.empty() ? "" : ",") + id;
    }
    return allocation;
  }

  Result<std::vector<std::string>> preferred_allocation(
      const kubelet::PreferredAllocationRequest& request) const override {
    if (failure_) return Error(ErrorCode::kInvalidArgument, *failure_);
    const auto size = static_cast<std::size_t>(request.size);
    if (size > request.available.size()) return std::vector<std::string>();
    return std::vector<std::string>(
        request.available.end() - static_cast<std::ptrdiff_t>(size),
        request.available.end());
  }

  std::vector<std::vector<std::string>> allocated() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return allocated_;
  }

 private:
  const std::optional<std::string> failure_;
  mutable Mutex mutex_;
  mutable std::vector<std::vector<std::string>> allocated_ GUARDED_BY(mutex_);
};

}  // namespace gpunode::doubles
