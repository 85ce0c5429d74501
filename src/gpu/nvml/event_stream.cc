#include "gpu/nvml/event_stream.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "gpu/nvml/return_code.h"

namespace gpunode::nvml {
namespace {

using std::chrono::milliseconds;

constexpr unsigned long long kHealthEvents =
    NVML_EVENT_TYPE_XID_CRITICAL_ERROR | NVML_EVENT_TYPE_DOUBLE_BIT_ECC_ERROR |
    NVML_EVENT_TYPE_SINGLE_BIT_ECC_ERROR;

// NVML's wait cannot be interrupted: this bounds how late a stop is seen.
constexpr milliseconds kSlice{250};

std::optional<unsigned> instance(unsigned id) {
  if (id == NVML_EVENT_NO_INSTANCE) return std::nullopt;
  return id;
}

// What wait() does when there is no GPU to wait for.
void wait_for_stop(milliseconds timeout, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, timeout, [] { return false; });
}

}  // namespace

Result<EventStream> EventStream::open(
    const Session& session, const std::vector<device::DeviceId>& gpus) {
  const Api& api = session.library().api();
  nvmlEventSet_t set = nullptr;
  const nvmlReturn_t code = api.nvmlEventSetCreate(&set);
  if (code != NVML_SUCCESS) return error_of("nvmlEventSetCreate", code);
  EventStream stream(api, set);
  for (const device::DeviceId& gpu : gpus) stream.watch(gpu);
  return stream;
}

void EventStream::watch(const device::DeviceId& gpu) {
  const auto fail = [&](const char* attempted, nvmlReturn_t code) {
    unwatched_.push_back({gpu, error_of(attempted, code).message(), true});
  };
  nvmlDevice_t handle = nullptr;
  nvmlReturn_t code =
      api_->nvmlDeviceGetHandleByUUID(gpu.value.c_str(), &handle);
  if (code != NVML_SUCCESS) return fail("nvmlDeviceGetHandleByUUID", code);
  unsigned long long types = 0;
  code = api_->nvmlDeviceGetSupportedEventTypes(handle, &types);
  if (code != NVML_SUCCESS && code != NVML_ERROR_NOT_SUPPORTED) {
    return fail("nvmlDeviceGetSupportedEventTypes", code);
  }
  types &= kHealthEvents;
  code = types == 0 ? NVML_ERROR_NOT_SUPPORTED
                    : api_->nvmlDeviceRegisterEvents(handle, types, set_.get());
  if (code == NVML_ERROR_NOT_SUPPORTED) {
    unwatched_.push_back({gpu, "too old to support healthchecking", false});
    return;
  }
  if (code != NVML_SUCCESS) return fail("nvmlDeviceRegisterEvents", code);
  watched_.emplace(handle, gpu);
}

nvmlReturn_t EventStream::wait_slice(nvmlEventData_t& data,
                                     milliseconds slice) const {
  // The first form leaves the instances out: they stay "none".
  data = {};
  data.gpuInstanceId = NVML_EVENT_NO_INSTANCE;
  data.computeInstanceId = NVML_EVENT_NO_INSTANCE;
  const auto wait = api_->nvmlEventSetWait_v2 != nullptr
                        ? api_->nvmlEventSetWait_v2
                        : api_->nvmlEventSetWait;
  return wait(set_.get(), &data, static_cast<unsigned>(slice.count()));
}

Result<std::optional<device::XidEvent>> EventStream::wait(
    milliseconds timeout, const std::stop_token& stop) {
  const std::optional<device::XidEvent> nothing;
  if (watched_.empty()) {
    wait_for_stop(timeout, stop);
    return nothing;
  }
  nvmlReturn_t code = NVML_ERROR_TIMEOUT;
  nvmlEventData_t data = {};
  milliseconds left = timeout;
  while (code == NVML_ERROR_TIMEOUT && !stop.stop_requested()) {
    const milliseconds slice = std::min(left, kSlice);
    code = wait_slice(data, slice);
    left -= slice;
    if (left <= milliseconds::zero()) break;
  }
  if (code == NVML_ERROR_TIMEOUT) return nothing;
  if (code != NVML_SUCCESS) return error_of("nvmlEventSetWait", code);
  if (data.eventType != NVML_EVENT_TYPE_XID_CRITICAL_ERROR) {
    ++skipped_;
    return nothing;
  }
  return std::optional(to_xid_event(data));
}

device::XidEvent EventStream::to_xid_event(const nvmlEventData_t& data) const {
  device::XidEvent event;
  event.xid = data.eventData;
  event.gpu_instance = instance(data.gpuInstanceId);
  event.compute_instance = instance(data.computeInstanceId);
  if (const auto known = watched_.find(data.device); known != watched_.end()) {
    event.gpu = known->second;
    return event;
  }
  if (data.device == nullptr) return event;
  std::array<char, NVML_DEVICE_UUID_V2_BUFFER_SIZE> uuid = {};
  const nvmlReturn_t code =
      api_->nvmlDeviceGetUUID(data.device, uuid.data(), uuid.size() - 1);
  if (code == NVML_SUCCESS) event.gpu = device::DeviceId{uuid.data()};
  return event;
}

}  // namespace gpunode::nvml
