// The observer: the one thread that asks what may not answer.
//
// NVML hangs for seconds in a sick driver, a control program may never come
// back. Whatever waits for them waits here; the agent's loop gets values
// (docs/adr/0007).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "agent/plugin/mailbox.h"
#include "base/core/clock.h"
#include "base/core/mutex.h"
#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "gpu/device/health.h"
#include "gpu/device/inventory.h"
#include "gpu/device/process_use.h"
#include "gpu/nvml/event_stream.h"
#include "gpu/nvml/session.h"

namespace gpunode::plugin {

/// The driver answers. Sent at the start, after the driver came back, when the
/// GPUs or MIG devices have changed, and after every rescan().
struct DriverUp {
  std::shared_ptr<const device::Inventory> inventory;
  std::vector<nvml::Unwatched> unwatched;  ///< GPUs without health events.
};

/// The driver does not answer. Sent again only when the reason changes.
struct DriverDown {
  Error reason;
};

/// The answer to one id of probe().
struct Probed {
  device::DeviceId id;
  std::optional<std::string> failure;  ///< Absent: it is alive.
};

/// The answer to check_mps().
struct MpsChecked {
  std::string resource_name;
  std::optional<Error> failure;
};

/// The answer to list_processes(): of each Device that the driver tells of.
struct ProcessesSeen {
  std::uint64_t request = 0;
  std::map<device::DeviceId, std::vector<device::ProcessUse>> by_device;
};

using Observation = std::variant<DriverUp, DriverDown, device::XidEvent, Probed,
                                 MpsChecked, ProcessesSeen>;

class Observer {
 public:
  struct Inputs {
    std::string nvml_library;    ///< File to load; empty: look for it.
    host::HostRoot driver_root;  ///< Where the driver's files are, seen here.
    host::HostRoot host_root;    ///< Prefix of /proc and /sys.
    bool has_nvml = true;      ///< False: nothing is opened; only MPS is asked.
    bool watch_health = true;  ///< False: no event set is made.
  };

  /// Starts the thread. `runner` outlives this.
  Observer(Inputs inputs, host::CommandRunner& runner);

  /// Ends the thread; waits for an NVML call in progress, at most half a
  /// second for an idle event wait.
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// Asks the thread to end and waits for that at most `patience`. False: it is
  /// in a call that does not return, and destroying this would wait with it.
  bool try_stop(std::chrono::milliseconds patience);

  Mailbox<Observation>& observations() { return observations_; }

  // Of equal requests only one waits at a time.

  /// Reads the Inventory anew and sends DriverUp or DriverDown.
  void rescan();
  void probe(std::vector<device::DeviceId> ids);
  void check_mps(std::string resource_name);
  void list_processes(std::vector<device::DeviceId> ids, std::uint64_t number);

  /// For how long the call in progress has not returned; zero when none is.
  Duration stuck_for(TimePoint now) const;

 private:
  struct Rescan {
    bool operator==(const Rescan&) const = default;
  };
  struct Probe {
    std::vector<device::DeviceId> ids;
    bool operator==(const Probe&) const = default;
  };
  struct CheckMps {
    std::string resource_name;
    bool operator==(const CheckMps&) const = default;
  };
  struct ListProcesses {
    std::vector<device::DeviceId> ids;
    std::uint64_t number = 0;
    bool operator==(const ListProcesses&) const = default;
  };
  using Request = std::variant<Rescan, Probe, CheckMps, ListProcesses>;

  /// An open driver: destroyed in reverse order, the stream before the session.
  struct Driver {
    nvml::Session session;
    std::optional<nvml::EventStream> events;
  };

  void request(Request request);
  std::optional<Request> next_request(Duration wait,
                                      const std::stop_token& stop);
  void run(const std::stop_token& stop);
  void handle(const Request& request);
  void try_open();
  void close(Error reason);
  void read_inventory(bool always_send);
  void open_events();
  void schedule_reopen();
  void reopen_events();
  void events_failed(const Error& error);
  void watch(const std::stop_token& stop);
  void heartbeat();

  const Inputs inputs_;
  host::CommandRunner& runner_;
  Mailbox<Observation> observations_;

  Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Request> requests_ GUARDED_BY(mutex_);
  bool has_ended_ GUARDED_BY(mutex_) = false;
  std::atomic<TimePoint::rep> busy_since_{0};

  // The thread's own.
  std::optional<Driver> driver_;
  std::shared_ptr<const device::Inventory> last_inventory_;
  std::string last_reason_;
  Duration retry_;
  std::vector<nvml::Unwatched> unwatched_;
  TimePoint next_heartbeat_{};
  TimePoint next_rescan_{};
  std::optional<TimePoint> reopen_at_;
  Duration reopen_delay_{};

  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace gpunode::plugin
