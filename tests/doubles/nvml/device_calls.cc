// What a device is.
#include <algorithm>
#include <numeric>
#include <string>

#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/driver.h"
#include "tests/doubles/nvml/pci_address.h"

using gpunode::fake_nvml::answer;
using gpunode::fake_nvml::answer_unsupported;
using gpunode::fake_nvml::answer_value;
using gpunode::fake_nvml::Call;
using gpunode::fake_nvml::copy_text;
using gpunode::fake_nvml::fill_legacy_pci;
using gpunode::fake_nvml::fill_pci;
using gpunode::fake_nvml::GpuSpec;
using gpunode::fake_nvml::parse_pci_address;
using gpunode::fake_nvml::PciAddress;
using gpunode::fake_nvml::ProcessSpec;
using gpunode::fake_nvml::Session;

namespace {

/// Texts that the profile may leave out; a GPU without them says so.
nvmlReturn_t text_of(Call call, nvmlDevice_t handle, std::string GpuSpec::*text,
                     char* into, unsigned length) {
  return answer(call, handle, [&](const Session&, nvmlDevice_st& device) {
    const std::string& value = device.gpu->*text;
    return value.empty() ? NVML_ERROR_NOT_SUPPORTED
                         : copy_text(value, into, length);
  });
}

std::string name_of(const nvmlDevice_st& device, const Session& session) {
  if (device.mig == nullptr) return device.gpu->name;
  const auto* kind = session.profile().mig_profile(device.mig->gpu_profile);
  std::string name = device.gpu->name + " MIG ";
  if (device.mig->compute_slices != kind->slices) {
    name += std::to_string(device.mig->compute_slices) + "c.";
  }
  return name + kind->name;
}

struct Memory {
  unsigned long long total;
  unsigned long long reserved;
  unsigned long long used;  ///< By processes.
};

Memory memory_of(const nvmlDevice_st& device, const Session& session) {
  Memory memory{device.gpu->memory_bytes, device.gpu->reserved_bytes, 0};
  if (device.mig != nullptr) {
    const auto* kind = session.profile().mig_profile(device.mig->gpu_profile);
    memory = {kind->memory_mib << 20U, 0, 0};
  }
  for (const ProcessSpec& process : device.gpu->processes) {
    if (device.mig != nullptr &&
        process.gpu_instance != device.mig->gpu_instance) {
      continue;
    }
    memory.used += process.used_bytes;
  }
  const unsigned long long room = memory.total - memory.reserved;
  memory.used = std::min(memory.used, room);
  return memory;
}

template <class Fill>
nvmlReturn_t pci_of(Call call, nvmlDevice_t handle, nvmlPciInfo_t* pci,
                    Fill fill) {
  return answer(call, handle, [&](const Session&, nvmlDevice_st& device) {
    if (pci == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    const auto address = parse_pci_address(device.gpu->pci_bus_id);
    fill(address.value_or(PciAddress{}), device.gpu->pci_device_id,
         device.gpu->pci_subsystem_id, *pci);
    return NVML_SUCCESS;
  });
}

}  // namespace

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char* name,
                               unsigned length) {
  return answer(Call::knvmlDeviceGetName, device,
                [&](const Session& session, nvmlDevice_st& found) {
                  return copy_text(name_of(found, session), name, length);
                });
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char* uuid,
                               unsigned length) {
  return answer(Call::knvmlDeviceGetUUID, device,
                [&](const Session&, nvmlDevice_st& found) {
                  const std::string& text =
                      found.mig != nullptr ? found.mig->uuid : found.gpu->uuid;
                  return copy_text(text, uuid, length);
                });
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned* index) {
  return answer_value(
      Call::knvmlDeviceGetIndex, device, index, [](const nvmlDevice_st& found) {
        return found.mig != nullptr ? found.mig_index : found.gpu_index;
      });
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned* minor) {
  return answer(Call::knvmlDeviceGetMinorNumber, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (minor == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  if (found.mig != nullptr) return NVML_ERROR_NOT_SUPPORTED;
                  *minor = found.gpu->minor;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char* serial,
                                 unsigned length) {
  return text_of(Call::knvmlDeviceGetSerial, device, &GpuSpec::serial, serial,
                 length);
}

nvmlReturn_t nvmlDeviceGetBoardPartNumber(nvmlDevice_t device, char* number,
                                          unsigned length) {
  return text_of(Call::knvmlDeviceGetBoardPartNumber, device,
                 &GpuSpec::part_number, number, length);
}

nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char* version,
                                       unsigned length) {
  return text_of(Call::knvmlDeviceGetVbiosVersion, device, &GpuSpec::vbios,
                 version, length);
}

nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, nvmlBrandType_t* type) {
  return answer_value(
      Call::knvmlDeviceGetBrand, device, type,
      [](const nvmlDevice_st& found) { return found.gpu->brand; });
}

nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device,
                                       nvmlDeviceArchitecture_t* architecture) {
  return answer_value(
      Call::knvmlDeviceGetArchitecture, device, architecture,
      [](const nvmlDevice_st& found) { return found.gpu->architecture; });
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int* major,
                                                int* minor) {
  return answer(Call::knvmlDeviceGetCudaComputeCapability, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (major == nullptr || minor == nullptr) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  *major = found.gpu->compute_major;
                  *minor = found.gpu->compute_minor;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return pci_of(Call::knvmlDeviceGetPciInfo, device, pci, fill_legacy_pci);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return pci_of(Call::knvmlDeviceGetPciInfo_v2, device, pci, fill_legacy_pci);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return pci_of(Call::knvmlDeviceGetPciInfo_v3, device, pci, fill_pci);
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device,
                                     nvmlMemory_t* memory) {
  return answer(Call::knvmlDeviceGetMemoryInfo, device,
                [&](const Session& session, nvmlDevice_st& found) {
                  if (memory == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  const Memory all = memory_of(found, session);
                  memory->total = all.total;
                  memory->used = all.used + all.reserved;
                  memory->free = all.total - memory->used;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device,
                                        nvmlMemory_v2_t* memory) {
  return answer(
      Call::knvmlDeviceGetMemoryInfo_v2, device,
      [&](const Session& session, nvmlDevice_st& found) {
        if (memory == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        if (memory->version != NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)) {
          return NVML_ERROR_FUNCTION_NOT_FOUND;  // As driver 580 has it.
        }
        const Memory all = memory_of(found, session);
        memory->total = all.total;
        memory->reserved = all.reserved;
        memory->used = all.used;
        memory->free = all.total - all.used - all.reserved;
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device,
                                         nvmlBAR1Memory_t* memory) {
  return answer(Call::knvmlDeviceGetBAR1MemoryInfo, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (memory == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  if (found.gpu->bar1_bytes == 0) {
                    return NVML_ERROR_NOT_SUPPORTED;
                  }
                  *memory = {found.gpu->bar1_bytes, found.gpu->bar1_bytes, 0};
                  return NVML_SUCCESS;
                });
}

// Only machines whose GPU memory is a NUMA node of the host have an answer.
nvmlReturn_t nvmlDeviceGetNumaNodeId(nvmlDevice_t device, unsigned* /*node*/) {
  return answer_unsupported(Call::knvmlDeviceGetNumaNodeId, device);
}

nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device,
                                          nvmlEnableState_t* mode) {
  return answer_value(Call::knvmlDeviceGetPersistenceMode, device, mode,
                      [](const nvmlDevice_st& found) {
                        return found.gpu->persistence ? 1U : 0U;
                      });
}

nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, int* mode) {
  return answer_value(Call::knvmlDeviceGetComputeMode, device, mode,
                      [](const nvmlDevice_st&) { return 0; });
}

nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, int* mode) {
  return answer_value(Call::knvmlDeviceGetVirtualizationMode, device, mode,
                      [](const nvmlDevice_st&) { return 0; });
}
