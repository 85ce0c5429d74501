// One look at the driver, on a thread that may be left behind.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "agent/plugin/mailbox.h"
#include "base/core/result.h"
#include "base/host/host_root.h"
#include "gpu/device/inventory.h"

namespace gpunode::plugin {

/// Initialises NVML, reads the Inventory and shuts NVML down again: between
/// looks nothing of the driver is held, and it can be unloaded.
class InventoryQuery {
 public:
  struct Inputs {
    std::string nvml_library;    ///< As open_nvml() takes it.
    host::HostRoot driver_root;  ///< Where the driver's files are, seen here.
    host::HostRoot host_root;    ///< Prefix of /proc and /sys.
  };

  struct Answer {
    Result<device::Inventory> inventory;
    std::vector<std::string> remarks;  ///< Of procfs::annotate().
  };

  /// Starts the thread.
  explicit InventoryQuery(Inputs inputs);

  /// Waits for the answer. A driver that hangs never gives one: then end the
  /// process without destroying this.
  ~InventoryQuery() = default;
  InventoryQuery(const InventoryQuery&) = delete;
  InventoryQuery& operator=(const InventoryQuery&) = delete;

  /// Readable once there is an answer.
  int fd() const { return answer_.fd(); }

  /// The one answer, or nothing while there is none.
  std::vector<Answer> take() { return answer_.take(); }

 private:
  Mailbox<Answer> answer_;
  std::jthread thread_;  // Last: it uses the above.
};

}  // namespace gpunode::plugin
