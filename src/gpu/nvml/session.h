// An initialised NVML: what the driver says of the node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "gpu/device/inventory.h"
#include "gpu/device/process_use.h"
#include "gpu/nvml/library.h"

namespace gpunode::nvml {

/// NVML between nvmlInit_v2 and nvmlShutdown, with the library under it.
///
/// Const methods may be called from any number of threads. While a Session
/// lives the kernel modules are in use and cannot be unloaded; after a driver
/// reload destroy it (EventStreams first) and start another from a newly
/// opened Library, since handles and, after an update, the library itself
/// belong to the driver that is gone.
class Session {
 public:
  /// Initialises NVML. Fails with kUnavailable while no driver answers and
  /// when library and kernel module are of different versions; the message
  /// begins with NVML's name: "ERROR_DRIVER_NOT_LOADED: …".
  static Result<Session> start(Library library);

  const Library& library() const { return state_->library; }

  /// As "545.23.08".
  Result<std::string> driver_version() const;

  /// 1000 × major + 10 × minor, or 0 if no CUDA driver library was found.
  int cuda_driver_version() const;

  /// Every GPU by index, MIG devices and topology included; what only the
  /// kernel's files tell (NUMA node, capability paths) is for procfs::annotate
  /// to add. A GPU that cannot be described is in `lost` with the reason and
  /// hides no other. Fails only if the driver does not even count its GPUs.
  Result<device::Inventory> inventory() const;

  /// Asks the driver for the Device anew, by UUID, with a query that reaches
  /// the hardware: the cheap probe of whether a Device that failed is back.
  /// Fails with what the driver answered, or with kUnavailable while memory
  /// repairs of the GPU wait for a reset.
  Result<void> check_alive(const device::DeviceId& id) const;

  /// Processes that compute on the Device, by UUID, and what each holds; those
  /// whose memory the driver does not tell are left out. kUnsupported: the
  /// driver does not tell processes.
  Result<std::vector<device::ProcessUse>> processes(
      const device::DeviceId& id) const;

 private:
  struct State {
    explicit State(Library opened) : library(std::move(opened)) {}
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    Library library;
    bool is_initialised = false;
  };

  explicit Session(std::unique_ptr<State> state) : state_(std::move(state)) {}

  std::unique_ptr<State> state_;
};

}  // namespace gpunode::nvml
