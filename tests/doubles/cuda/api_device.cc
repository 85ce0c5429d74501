// cuInit and what can be asked of a device.
#include <cstdio>
#include <cstring>

#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::Device;
using fake_cuda::enter;
using fake_cuda::enter_initialised;
using fake_cuda::Environment;
using fake_cuda::Runtime;

namespace {

/// Loads the machine, so that its CUDA version can be asked before cuInit.
CUresult load(Runtime& runtime) {
  auto machine = fake_cuda::load_machine(runtime.environment);
  if (!machine) {
    std::fprintf(stderr, "fake libcuda: %s\n",
                 machine.error().message().c_str());
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
  runtime.machine = *std::move(machine);
  return CUDA_SUCCESS;
}

template <class Body>
CUresult of_device(const char* call, CUdevice device, Body body) {
  return enter_initialised(call, [&](Runtime& runtime) {
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    return body(runtime.devices[static_cast<std::size_t>(device)]);
  });
}

/// Copies a string as the driver does: cut to what fits, always ended.
CUresult copy_text(const std::string& text, char* to, int length) {
  if (to == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
  std::snprintf(to, static_cast<std::size_t>(length), "%s", text.c_str());
  return CUDA_SUCCESS;
}

struct PciAddress {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;
};

PciAddress pci_address(const Device& device) {
  PciAddress address;
  // NOLINTNEXTLINE(cert-err34-c): a profile's own text; zeros if it is odd.
  std::sscanf(device.pci_bus_id.c_str(), "%x:%x:%x", &address.domain,
              &address.bus, &address.device);
  return address;
}

int attribute_of(const Device& device, CUdevice_attribute attribute,
                 bool* is_known) {
  *is_known = true;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
      return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
      return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
      return 2147483647;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
      return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      return 49152;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      return 32;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      return device.multiprocessors();
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      return device.threads_per_multiprocessor();
    case CU_DEVICE_ATTRIBUTE_INTEGRATED:
    case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
      return 0;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
      return 1;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
      return static_cast<int>(pci_address(device).bus);
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
      return static_cast<int>(pci_address(device).device);
    case CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID:
      return static_cast<int>(pci_address(device).domain);
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      return device.compute_major;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      return device.compute_minor;
  }
  *is_known = false;
  return 0;
}

}  // namespace

CUresult cuInit(unsigned flags) {
  return enter("cuInit", [&](Runtime& runtime) {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (runtime.is_initialised) return CUDA_SUCCESS;
    runtime.environment = Environment::of_process();
    if (const CUresult result = load(runtime); result != CUDA_SUCCESS) {
      return result;
    }
    const CUresult result = fake_cuda::find_devices(
        runtime.environment, runtime.machine, &runtime.devices);
    runtime.is_initialised = result == CUDA_SUCCESS;
    return result;
  });
}

CUresult cuDriverGetVersion(int* version) {
  return enter("cuDriverGetVersion", [&](Runtime& runtime) {
    if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.is_initialised) {
      if (const CUresult result = load(runtime); result != CUDA_SUCCESS) {
        return result;
      }
    }
    *version = runtime.machine.cuda_version;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetCount(int* count) {
  return enter_initialised("cuDeviceGetCount", [&](Runtime& runtime) {
    if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *count = static_cast<int>(runtime.devices.size());
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return enter_initialised("cuDeviceGet", [&](Runtime& runtime) {
    if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (!runtime.has_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  return of_device("cuDeviceGetName", device, [&](const Device& found) {
    return copy_text(found.name, name, length);
  });
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return of_device("cuDeviceGetUuid", device, [&](const Device& found) {
    if (uuid == nullptr) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(uuid->bytes, found.uuid_bytes().data(), sizeof uuid->bytes);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  return of_device("cuDeviceGetUuid_v2", device, [&](const Device& found) {
    if (uuid == nullptr) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(uuid->bytes, found.instance_bytes().data(), sizeof uuid->bytes);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice device) {
  return of_device("cuDeviceTotalMem_v2", device, [&](const Device& found) {
    if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *bytes = found.memory_bytes;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute,
                              CUdevice device) {
  return of_device("cuDeviceGetAttribute", device, [&](const Device& found) {
    if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
    bool is_known = false;
    const int read = attribute_of(found, attribute, &is_known);
    if (!is_known) return CUDA_ERROR_INVALID_VALUE;
    *value = read;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  return of_device("cuDeviceComputeCapability", device,
                   [&](const Device& found) {
                     if (major == nullptr || minor == nullptr) {
                       return CUDA_ERROR_INVALID_VALUE;
                     }
                     *major = found.compute_major;
                     *minor = found.compute_minor;
                     return CUDA_SUCCESS;
                   });
}

CUresult cuDeviceGetPCIBusId(char* bus_id, int length, CUdevice device) {
  return of_device("cuDeviceGetPCIBusId", device, [&](const Device& found) {
    return copy_text(found.pci_bus_id, bus_id, length);
  });
}

CUresult cuDeviceGetByPCIBusId(CUdevice* device, const char* bus_id) {
  return enter_initialised("cuDeviceGetByPCIBusId", [&](Runtime& runtime) {
    if (device == nullptr || bus_id == nullptr) return CUDA_ERROR_INVALID_VALUE;
    for (std::size_t i = 0; i < runtime.devices.size(); ++i) {
      if (runtime.devices[i].pci_bus_id != bus_id) continue;
      *device = static_cast<CUdevice>(i);
      return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_DEVICE;
  });
}

}  // namespace gpunode::abi
