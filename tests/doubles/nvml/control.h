// FakeNvmlControl: steers a double that runs in this or another process.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode {

namespace fake_nvml {
struct ControlRegion;
}

/// A mapping of the control file that GPUNODE_FAKE_NVML_CONTROL names to the
/// library. May be used from any thread and any number of processes at once.
/// What is set stays for processes that come later, until reset().
class FakeNvmlControl {
 public:
  /// Maps `path`, made if it is not there. kCorrupt: another build's file.
  static Result<FakeNvmlControl> open(const std::string& path);

  FakeNvmlControl(FakeNvmlControl&& other) noexcept;
  FakeNvmlControl& operator=(FakeNvmlControl&& other) noexcept;
  ~FakeNvmlControl();

  /// Which GPU an event is of: its index in the profile, or one of two words.
  struct Target {
    static Target all() { return {-1}; }
    /// The driver cannot say: the event's device is null.
    static Target unknown() { return {-2}; }
    static Target gpu(unsigned index) { return {static_cast<int>(index)}; }
    int value;
  };

  struct Event {
    Target target;
    std::uint64_t data;                ///< The XID.
    std::uint64_t type = 0x8;          ///< NVML_EVENT_TYPE_XID_CRITICAL_ERROR
    std::uint32_t gpu_instance = ~0U;  ///< Of the whole GPU.
    std::uint32_t compute_instance = ~0U;
  };

  /// Wakes every event set that waits for it, at once and in order.
  void post(const Event& event);
  void xid(Target target, std::uint64_t xid) {
    post({.target = target, .data = xid});
  }

  /// A rule over the calls of one function; see control_region.h.
  struct Fault {
    std::string_view function;  ///< "nvmlDeviceGetName"
    int code = 0;               ///< 0: only the delay.
    std::optional<unsigned> gpu;
    std::uint64_t after = 0;
    std::uint64_t times = 0;  ///< 0: until clear_faults().
    std::chrono::milliseconds delay{0};
  };

  /// kNotFound for a function that the double lacks, kUnavailable when all
  /// places for faults are taken.
  Result<void> add(const Fault& fault);
  void clear_faults();

  /// The GPU falls off the bus, or comes back. Index below 64.
  void lose(unsigned gpu);
  void recover(unsigned gpu);

  /// Unloads the driver: nvmlInit answers DRIVER_NOT_LOADED, waits end, and
  /// sessions that were open stay dead after driver_up(), as they would.
  void driver_down();
  void driver_up();

  /// Takes effect where a process inits anew. Empty: back to what the
  /// library finds by itself.
  Result<void> set_profile(std::string_view path);

  std::uint64_t count(std::string_view function) const;
  /// Only calls that happened, by name.
  std::vector<std::pair<std::string, std::uint64_t>> counts() const;
  void clear_counts();

  /// Blocks until `function` was called `at_least` times in all.
  bool wait_for_calls(std::string_view function, std::uint64_t at_least,
                      std::chrono::milliseconds timeout) const;

  /// Back to all zeros, but for generations and the order of events, which
  /// only grow.
  void reset();

 private:
  explicit FakeNvmlControl(fake_nvml::ControlRegion* region)
      : region_(region) {}

  fake_nvml::ControlRegion* region_;
};

}  // namespace gpunode
