#include "tests/doubles/nvml/event_set.h"

#include <algorithm>
#include <chrono>

#include "tests/doubles/nvml/driver.h"

namespace gpunode::fake_nvml {

void EventSet::add(nvmlDevice_st& device, std::uint64_t types) {
  const MutexLock lock(mutex_);
  const std::uint64_t now =
      Driver::of_process().region().events_reserved.load();
  if (registrations_.empty()) cursor_ = now;
  const auto found =
      std::ranges::find(registrations_, &device, &Registration::device);
  if (found != registrations_.end()) {
    found->types |= types;
    return;
  }
  registrations_.push_back({&device, types, now, false});
}

void EventSet::collect(const EventSlot& slot) {
  const std::int32_t gpu = slot.gpu.load();
  const std::uint64_t type = slot.type.load();
  nvmlEventData_t event{nullptr, type, slot.data.load(),
                        slot.gpu_instance.load(), slot.compute_instance.load()};
  for (const Registration& each : registrations_) {
    if ((each.types & type) == 0 || cursor_ < each.from) continue;
    if (gpu == EventSlot::kUnknownGpu) {
      pending_.push_back(event);
      return;
    }
    if (gpu == EventSlot::kAllGpus ||
        gpu == static_cast<std::int32_t>(each.device->gpu_index)) {
      event.device = each.device;
      pending_.push_back(event);
    }
  }
}

void EventSet::collect() {
  const ControlRegion& region = Driver::of_process().region();
  for (;;) {
    const EventSlot& slot = region.events[cursor_ % ControlRegion::kEventSlots];
    const std::uint64_t sequence = slot.sequence.load();
    if (sequence < cursor_ + 1) return;
    // Overrun: what was lost is lost, as in the driver's own queue.
    if (sequence > cursor_ + 1) cursor_ = sequence - 1;
    collect(slot);
    ++cursor_;
  }
}

bool EventSet::take_loss() {
  for (Registration& each : registrations_) {
    const bool is_lost = Driver::of_process().is_lost(each.device->gpu_index);
    const bool is_news = is_lost && !each.is_loss_told;
    each.is_loss_told = is_lost;
    if (is_news) return true;
  }
  return false;
}

nvmlReturn_t EventSet::poll(nvmlEventData_t& event) {
  const MutexLock lock(mutex_);
  if (is_closed_ || Driver::of_process().session() == nullptr) {
    return NVML_ERROR_UNINITIALIZED;
  }
  if (!registrations_.empty()) collect();
  if (!pending_.empty()) {
    event = pending_.front();
    pending_.pop_front();
    return NVML_SUCCESS;
  }
  return take_loss() ? NVML_ERROR_GPU_IS_LOST : NVML_ERROR_TIMEOUT;
}

nvmlReturn_t EventSet::wait(Deadline deadline, nvmlEventData_t& event) {
  ControlRegion& region = Driver::of_process().region();
  for (;;) {
    // Read before looking, so that what comes after the look ends the sleep.
    const std::uint32_t seen = region.wake.load();
    const nvmlReturn_t code = poll(event);
    if (code != NVML_ERROR_TIMEOUT) return code;
    if (deadline && std::chrono::steady_clock::now() >= *deadline) return code;
    futex_wait(region.wake, seen, deadline);
  }
}

void EventSet::close() {
  {
    const MutexLock lock(mutex_);
    is_closed_ = true;
  }
  futex_raise(Driver::of_process().region().wake);
}

EventSets& EventSets::of_process() {
  static EventSets& sets = *new EventSets;
  return sets;
}

nvmlEventSet_t EventSets::make() {
  const MutexLock lock(mutex_);
  sets_.push_back(std::make_shared<EventSet>());
  return reinterpret_cast<nvmlEventSet_t>(sets_.back().get());
}

std::shared_ptr<EventSet> EventSets::find(nvmlEventSet_t handle) {
  const MutexLock lock(mutex_);
  for (const auto& set : sets_) {
    if (reinterpret_cast<nvmlEventSet_t>(set.get()) == handle) return set;
  }
  return nullptr;
}

bool EventSets::drop(nvmlEventSet_t handle) {
  const std::shared_ptr<EventSet> set = find(handle);
  if (set == nullptr) return false;
  set->close();
  const MutexLock lock(mutex_);
  std::erase(sets_, set);
  return true;
}

}  // namespace gpunode::fake_nvml
