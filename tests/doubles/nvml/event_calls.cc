// Events.
#include <chrono>
#include <memory>

#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/driver.h"
#include "tests/doubles/nvml/event_set.h"

using gpunode::fake_nvml::answer;
using gpunode::fake_nvml::answer_value;
using gpunode::fake_nvml::Call;
using gpunode::fake_nvml::Deadline;
using gpunode::fake_nvml::EventSet;
using gpunode::fake_nvml::EventSets;
using gpunode::fake_nvml::Session;

namespace {

/// What this driver gives where a caller says INFINITE.
constexpr unsigned kForever = ~0U;

nvmlReturn_t wait(Call call, nvmlEventSet_t handle, nvmlEventData_t* data,
                  unsigned timeout_ms) {
  return answer(call, [&](const Session&) -> nvmlReturn_t {
    const std::shared_ptr<EventSet> set = EventSets::of_process().find(handle);
    if (set == nullptr || data == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    Deadline deadline;
    if (timeout_ms != kForever) {
      deadline = std::chrono::steady_clock::now() +
                 std::chrono::milliseconds(timeout_ms);
    }
    return set->wait(deadline, *data);
  });
}

}  // namespace

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set) {
  return answer(Call::knvmlEventSetCreate, [set](const Session&) {
    if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    *set = EventSets::of_process().make();
    return NVML_SUCCESS;
  });
}

// Works without a session too: a set must not outlive the library's user.
nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
  auto& driver = gpunode::fake_nvml::Driver::of_process();
  driver.count(Call::knvmlEventSetFree);
  if (!EventSets::of_process().drop(set)) return NVML_ERROR_INVALID_ARGUMENT;
  return driver.session() == nullptr ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device,
                                      unsigned long long types,
                                      nvmlEventSet_t set) {
  return answer(
      Call::knvmlDeviceRegisterEvents, device,
      [&](const Session&, nvmlDevice_st& found) {
        const auto events = EventSets::of_process().find(set);
        if (events == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        if (found.mig != nullptr || (types & ~found.gpu->event_types) != 0) {
          return NVML_ERROR_NOT_SUPPORTED;
        }
        events->add(found, types);
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device,
                                              unsigned long long* types) {
  return answer_value(
      Call::knvmlDeviceGetSupportedEventTypes, device, types,
      [](const nvmlDevice_st& found) { return found.gpu->event_types; });
}

nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t* data,
                              unsigned timeout_ms) {
  const nvmlReturn_t code =
      wait(Call::knvmlEventSetWait, set, data, timeout_ms);
  if (code == NVML_SUCCESS) {
    data->gpuInstanceId = NVML_EVENT_NO_INSTANCE;
    data->computeInstanceId = NVML_EVENT_NO_INSTANCE;
  }
  return code;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t* data,
                                 unsigned timeout_ms) {
  return wait(Call::knvmlEventSetWait_v2, set, data, timeout_ms);
}
