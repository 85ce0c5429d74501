// For tests: a libnvidia-ml with nothing but what every driver has, and the
// answers that the full double cannot give.
#include <array>
#include <cstdio>
#include <cstring>

#include "gpu/abi/nvml.h"

struct nvmlDevice_st {
  const char* uuid;
  const char* bus_id;
  bool remaps_rows;
  bool has_row_remapping;
  bool retires_pages;
};

namespace {

// The first two are enumerated; the others only found by UUID.
std::array devices = {
    nvmlDevice_st{"GPU-whole", "00000000:3B:00.0", false, true, false},
    nvmlDevice_st{"GPU-far", "00010000:3B:00.0", false, true, false},
    nvmlDevice_st{"GPU-remaps-rows", "00000000:5E:00.0", true, true, false},
    nvmlDevice_st{"GPU-retires-pages", "00000000:86:00.0", false, false, true},
};
constexpr unsigned kEnumerated = 2;

nvmlReturn_t copy(const char* text, char* into, unsigned length) {
  const int written = std::snprintf(into, length, "%s", text);
  return written < static_cast<int>(length) ? NVML_SUCCESS
                                            : NVML_ERROR_INSUFFICIENT_SIZE;
}

}  // namespace

nvmlReturn_t nvmlInit_v2() {
  return NVML_SUCCESS;
}
nvmlReturn_t nvmlShutdown() {
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return copy("418.00", version, length);
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned* count) {
  *count = kEnumerated;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index,
                                           nvmlDevice_t* device) {
  if (index >= kEnumerated) return NVML_ERROR_INVALID_ARGUMENT;
  *device = &devices[index];
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  for (nvmlDevice_st& known : devices) {
    if (std::strcmp(known.uuid, uuid) == 0) {
      *device = &known;
      return NVML_SUCCESS;
    }
  }
  return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t, char* name, unsigned length) {
  return copy("Tesla P4", name, length);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char* uuid,
                               unsigned length) {
  return copy(device->uuid, uuid, length);
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned* minor) {
  *minor = static_cast<unsigned>(device - devices.data());
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return copy(device->bus_id, pci->busId, sizeof pci->busId);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t, nvmlMemory_t* memory) {
  memory->total = 8ULL << 30U;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t, int* major,
                                                int* minor) {
  *major = 6;
  *minor = 1;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t,
                                              unsigned long long* types) {
  *types = NVML_EVENT_TYPE_XID_CRITICAL_ERROR;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set) {
  *set = nullptr;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t) {
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t, unsigned long long types,
                                      nvmlEventSet_t) {
  return types == NVML_EVENT_TYPE_XID_CRITICAL_ERROR ? NVML_SUCCESS
                                                     : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t, nvmlEventData_t* data, unsigned) {
  data->device = &devices[0];
  data->eventType = NVML_EVENT_TYPE_XID_CRITICAL_ERROR;
  data->eventData = 31;
  return NVML_SUCCESS;  // The instances are of a later form of the call.
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned* corrected,
                                       unsigned* uncorrected,
                                       unsigned* is_pending,
                                       unsigned* failure_occurred) {
  if (!device->has_row_remapping) return NVML_ERROR_NOT_SUPPORTED;
  *corrected = *uncorrected = *failure_occurred = 0;
  *is_pending = device->remaps_rows ? 1 : 0;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(
    nvmlDevice_t device, nvmlEnableState_t* is_pending) {
  *is_pending = device->retires_pages ? 1 : 0;
  return NVML_SUCCESS;
}
