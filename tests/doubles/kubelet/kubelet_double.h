// A kubelet, as far as a device plugin can tell.
//
// A real gRPC server on a real socket: it takes registrations, dials back and
// keeps ListAndWatch open, admits Pods as the kubelet's device manager does,
// and misbehaves on demand. Nothing in it knows our server: NVIDIA's plugin
// runs against it as well, which is how the double itself is tested.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/core/mutex.h"
#include "base/core/result.h"
#include "k8s/kubelet/pod_resources.h"
#include "tests/doubles/kubelet/plugin_client.h"
#include "tests/doubles/kubelet/pod_resources_double.h"

namespace gpunode::doubles {

/// A Register call that was accepted.
struct Registered {
  std::string resource_name;
  std::string endpoint;
  std::string version;
  bool pre_start_required = false;
  bool get_preferred_allocation_available = false;
  std::int64_t arrived_ns = 0;  ///< CLOCK_MONOTONIC.
  std::uint64_t count = 0;      ///< Of this resource, since start().
};

/// What became of a Pod that asked for devices.
struct Admission {
  bool is_admitted = false;
  /// "Insufficient nvidia.com/gpu" as the scheduler says it, or the kubelet's
  /// UnexpectedAdmissionError with the plugin's words.
  std::string message;
  std::vector<std::string> ids;
  kubelet::ContainerAllocation container;
};

/// Methods may be called from any thread; waits take a deadline and return
/// empty-handed at it.
class KubeletDouble {
 public:
  static constexpr std::chrono::seconds kPatience{20};
  using Timeout = std::chrono::milliseconds;

  /// Listens on `directory`/kubelet.sock, which must exist. Another owner's
  /// sockets in there are removed, as the kubelet does.
  static Result<std::unique_ptr<KubeletDouble>> start(
      const std::filesystem::path& directory);
  ~KubeletDouble();
  KubeletDouble(const KubeletDouble&) = delete;
  KubeletDouble& operator=(const KubeletDouble&) = delete;

  std::filesystem::path socket() const { return directory_ / "kubelet.sock"; }

  /// The resource's latest registration, once there were `count` of them.
  std::optional<Registered> wait_for_registration(const std::string& resource,
                                                  std::uint64_t count = 1,
                                                  Timeout timeout = kPatience)
      EXCLUDES(mutex_);

  /// The resource's latest list, once it satisfies `is_right`.
  std::optional<DeviceList> wait_for_list(
      const std::string& resource,
      const std::function<bool(const DeviceList&)>& is_right,
      Timeout timeout = kPatience) EXCLUDES(mutex_);

  /// How the resource's latest stream ended, once it has.
  std::optional<CallStatus> wait_for_end(const std::string& resource,
                                         Timeout timeout = kPatience)
      EXCLUDES(mutex_);

  /// Register calls so far, refused and hung ones included.
  std::uint64_t attempts() const EXCLUDES(mutex_);
  bool wait_for_attempts(std::uint64_t count, Timeout timeout = kPatience)
      EXCLUDES(mutex_);

  /// The kubelet's connection to the plugin; null if there is none.
  std::shared_ptr<PluginClient> plugin(const std::string& resource) const
      EXCLUDES(mutex_);

  /// Calls the plugin with these very ids, for one container.
  AllocateOutcome allocate(const std::string& resource,
                           const std::vector<std::string>& ids);

  /// Admits a Pod with one container that asks for `count` devices: capacity,
  /// the plugin's preference if it has one, Allocate. Ids stay taken until
  /// release(). `pod` is "namespace/name", or a name in "default"; its
  /// container is "main", its UID uid_of().
  Admission admit(const std::string& pod, const std::string& resource,
                  std::size_t count) EXCLUDES(mutex_);
  void release(const std::string& pod) EXCLUDES(mutex_);
  /// Healthy devices, and those of them that no Pod holds.
  std::size_t allocatable(const std::string& resource) const EXCLUDES(mutex_);
  std::size_t available(const std::string& resource) const EXCLUDES(mutex_);

  static std::string uid_of(const std::string& pod);

  /// What the Pods hold, as the PodResources API has it.
  std::vector<kubelet::Holding> holdings() const EXCLUDES(mutex_);
  /// Serves that API on pod_resources_socket(), in a directory beside
  /// kubelet.sock, so that a test has one directory.
  Result<void> serve_pod_resources(
      PodResourcesForm form = PodResourcesForm::kV1);
  std::filesystem::path pod_resources_socket() const {
    return directory_ / "pod-resources" / "kubelet.sock";
  }
  /// Null: not served.
  PodResourcesDouble* pod_resources() { return pod_resources_.get(); }
  void stop_pod_resources() { pod_resources_.reset(); }
  /// Writes kubelet_internal_checkpoint as the device manager does (v2, from
  /// 1.20 on), without the plugin's answers.
  Result<void> write_checkpoint() const EXCLUDES(mutex_);

  /// Restarts: connections end, every socket in the directory is removed,
  /// kubelet.sock is made anew. Pods keep their ids.
  Result<void> restart() EXCLUDES(mutex_);
  /// The socket's file goes; the server stays.
  void remove_socket();
  /// Answers Register with this error from now on; empty: no more.
  void refuse_registrations(std::string message) EXCLUDES(mutex_);
  /// Register does not answer until this is taken back.
  void hang_registrations(bool is_hanging) EXCLUDES(mutex_);
  /// The only version it speaks; "v1beta1" unless told.
  void speak_version(std::string version) EXCLUDES(mutex_);

  /// Runs at every registration, list and end of a stream, one at a time, for
  /// programs that show what happens. Set before the first plugin comes.
  struct Observer {
    std::function<void(const Registered&)> on_registration;
    std::function<void(const std::string& resource, const DeviceList&)> on_list;
    std::function<void(const std::string& resource, const CallStatus&)> on_end;
  };
  void set_observer(Observer observer) EXCLUDES(mutex_);

 private:
  class Service;
  struct Plugin {
    Registered registered;
    std::shared_ptr<PluginClient> client;
    std::optional<DeviceList> list;
    std::optional<CallStatus> end;
  };

  explicit KubeletDouble(std::filesystem::path directory);
  Result<void> listen();
  void stop_serving() EXCLUDES(mutex_);
  CallStatus take_registration(Registered registered) EXCLUDES(mutex_);
  CallStatus dial_back(Registered registered) EXCLUDES(mutex_);
  std::vector<std::string> free_ids(const std::string& resource) const
      REQUIRES(mutex_);
  bool has_stopped(std::chrono::steady_clock::time_point deadline)
      REQUIRES(mutex_);

  const std::filesystem::path directory_;
  std::unique_ptr<Service> service_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Plugin> plugins_ GUARDED_BY(mutex_);
  std::map<std::string, std::uint64_t> counts_ GUARDED_BY(mutex_);
  // resource and id -> Pod
  std::map<std::string, std::map<std::string, std::string>> taken_
      GUARDED_BY(mutex_);
  std::uint64_t attempts_ GUARDED_BY(mutex_) = 0;
  std::string refusal_ GUARDED_BY(mutex_);
  std::string version_ GUARDED_BY(mutex_) = "v1beta1";
  bool is_hanging_ GUARDED_BY(mutex_) = false;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  Observer observer_ GUARDED_BY(mutex_);
  std::unique_ptr<PodResourcesDouble> pod_resources_;
};

}  // namespace gpunode::doubles
