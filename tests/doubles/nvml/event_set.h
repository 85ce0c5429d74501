// EventSet: what nvmlEventSet_t points at, fed from the control region.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/core/mutex.h"
#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/control_mapping.h"
#include "tests/doubles/nvml/session.h"

namespace gpunode::fake_nvml {

/// Safe from any thread; two waiters share the events between them.
///
/// An event reaches the registrations that were there when it was posted. A
/// GPU that gets lost ends one wait with GPU_IS_LOST; later waits go on, for
/// the other GPUs of the set.
class EventSet {
 public:
  void add(nvmlDevice_st& device, std::uint64_t types);

  /// Waits until `deadline`; the codes of nvmlEventSetWait_v2.
  nvmlReturn_t wait(Deadline deadline, nvmlEventData_t& event);

  /// Ends waits in other threads.
  void close();

 private:
  struct Registration {
    nvmlDevice_st* device;
    std::uint64_t types;
    std::uint64_t from;  ///< Number of the first event that it sees.
    bool is_loss_told;
  };

  void collect() REQUIRES(mutex_);
  void collect(const EventSlot& slot) REQUIRES(mutex_);
  bool take_loss() REQUIRES(mutex_);
  nvmlReturn_t poll(nvmlEventData_t& event);

  Mutex mutex_;
  std::vector<Registration> registrations_ GUARDED_BY(mutex_);
  std::deque<nvmlEventData_t> pending_ GUARDED_BY(mutex_);
  std::uint64_t cursor_ GUARDED_BY(mutex_) = 0;
  bool is_closed_ GUARDED_BY(mutex_) = false;
};

/// The sets of this process by handle; null for a handle of none.
class EventSets {
 public:
  static EventSets& of_process();

  nvmlEventSet_t make();
  std::shared_ptr<EventSet> find(nvmlEventSet_t handle);
  bool drop(nvmlEventSet_t handle);

 private:
  Mutex mutex_;
  std::vector<std::shared_ptr<EventSet>> sets_ GUARDED_BY(mutex_);
};

}  // namespace gpunode::fake_nvml
