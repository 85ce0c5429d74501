// The kubelet's end of one device plugin: a connection, the calls, and a
// thread that keeps ListAndWatch open.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "k8s/kubelet/handler.h"

namespace gpunode::doubles {

/// A call's status as it came over the wire. Code 0 is success, 2 Unknown.
struct CallStatus {
  int code = 0;
  std::string message;
  bool ok() const { return code == 0; }
};

struct PluginOptions : CallStatus {
  bool pre_start_required = false;
  bool get_preferred_allocation_available = false;
};

struct AllocateOutcome : CallStatus {
  std::vector<kubelet::ContainerAllocation> containers;
};

struct PreferredOutcome : CallStatus {
  std::vector<std::vector<std::string>> containers;
};

/// A list as ListAndWatch brought it.
struct DeviceList {
  std::vector<kubelet::Device> devices;
  std::uint64_t number = 0;     ///< 1 for the first of this stream.
  std::int64_t arrived_ns = 0;  ///< CLOCK_MONOTONIC.

  std::size_t healthy() const;
};

/// Methods may be called from any thread. Calls block for at most ten seconds
/// (code 4, DeadlineExceeded).
class PluginClient {
 public:
  /// Connects to the plugin that listens on `socket`.
  static Result<std::unique_ptr<PluginClient>> connect(
      const std::string& socket);

  virtual ~PluginClient() = default;

  virtual PluginOptions options() = 0;
  virtual AllocateOutcome allocate(
      const std::vector<std::vector<std::string>>& containers) = 0;
  virtual PreferredOutcome prefer(
      const std::vector<kubelet::PreferredAllocationRequest>& containers) = 0;
  virtual CallStatus pre_start(const std::vector<std::string>& ids) = 0;

  /// Opens ListAndWatch; `on_list` and `on_end` run on a thread of this.
  /// Call once.
  virtual void watch(std::function<void(DeviceList)> on_list,
                     std::function<void(CallStatus)> on_end) = 0;

  /// Whether to read the stream; a kubelet that hangs does not. A read that is
  /// under way ends with one more list, so to hang for certain say so before
  /// watch().
  virtual void set_reading(bool is_reading) = 0;

  /// Cuts the connection in the middle of whatever is under way, as a kubelet
  /// that is killed does.
  virtual void cut() = 0;
};

}  // namespace gpunode::doubles
