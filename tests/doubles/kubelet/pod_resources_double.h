// The kubelet's PodResources API, served on a real socket.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/mutex.h"
#include "base/core/result.h"
#include "k8s/kubelet/pod_resources.h"

namespace gpunode::doubles {

/// What a kubelet speaks: before 1.20 only v1alpha1; kNeither is a server of
/// something else.
enum class PodResourcesForm { kV1, kV1Alpha1, kNeither };

class PodResourcesDouble {
 public:
  using Tell = std::function<std::vector<kubelet::Holding>()>;

  /// `tell` runs on the server's threads.
  static Result<std::unique_ptr<PodResourcesDouble>> start(
      const std::filesystem::path& socket, PodResourcesForm form, Tell tell);
  ~PodResourcesDouble();
  PodResourcesDouble(const PodResourcesDouble&) = delete;
  PodResourcesDouble& operator=(const PodResourcesDouble&) = delete;

  /// List does not answer until this is taken back.
  void hang(bool is_hanging) EXCLUDES(mutex_);
  /// Answers List with this error from now on; empty: no more.
  void refuse(std::string message) EXCLUDES(mutex_);
  /// Calls of List so far.
  std::uint64_t asked() const EXCLUDES(mutex_);

 private:
  class Server;
  explicit PodResourcesDouble(Tell tell);

  const Tell tell_;
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  bool is_hanging_ GUARDED_BY(mutex_) = false;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::string refusal_ GUARDED_BY(mutex_);
  std::uint64_t asked_ GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Server> server_;
};

}  // namespace gpunode::doubles
