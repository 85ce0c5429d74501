// The library, the system, and finding devices.
#include <array>
#include <cstdio>
#include <string>

#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/driver.h"
#include "tests/doubles/nvml/pci_address.h"

using gpunode::fake_nvml::answer;
using gpunode::fake_nvml::answer_found;
using gpunode::fake_nvml::Call;
using gpunode::fake_nvml::copy_text;
using gpunode::fake_nvml::Driver;
using gpunode::fake_nvml::parse_pci_address;
using gpunode::fake_nvml::Session;

namespace {

nvmlReturn_t cuda_version(Call call, int* version) {
  return answer(call, [version](const Session& session) {
    if (version == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    *version = session.profile().cuda_version;
    return NVML_SUCCESS;
  });
}

nvmlReturn_t device_count(Call call, unsigned* count) {
  return answer(call, [count](const Session& session) {
    if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    *count = session.gpu_count();
    return NVML_SUCCESS;
  });
}

template <class Find>
nvmlReturn_t give_handle(Call call, nvmlDevice_t* into, nvmlReturn_t missing,
                         Find find) {
  return answer_found(call, find, missing,
                      [into](const Session&, nvmlDevice_st& device) {
                        if (into == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                        *into = &device;
                        return NVML_SUCCESS;
                      });
}

nvmlReturn_t handle_by_index(Call call, unsigned index, nvmlDevice_t* device) {
  return give_handle(
      call, device, NVML_ERROR_INVALID_ARGUMENT,
      [index](const Session& session) { return session.gpu(index); });
}

/// Both 0000:00:1e.0 and 00000000:00:1E.0 name the same function.
nvmlReturn_t handle_by_bus_id(Call call, const char* bus_id,
                              nvmlDevice_t* device) {
  const auto wanted = parse_pci_address(bus_id == nullptr ? "" : bus_id);
  return give_handle(
      call, device, wanted ? NVML_ERROR_NOT_FOUND : NVML_ERROR_INVALID_ARGUMENT,
      [&wanted](const Session& session) -> nvmlDevice_st* {
        for (unsigned i = 0; wanted && i < session.gpu_count(); ++i) {
          nvmlDevice_st* gpu = session.gpu(i);
          if (parse_pci_address(gpu->gpu->pci_bus_id) == wanted) return gpu;
        }
        return nullptr;
      });
}

}  // namespace

nvmlReturn_t nvmlInit() {
  return Driver::of_process().init(Call::knvmlInit);
}

nvmlReturn_t nvmlInit_v2() {
  return Driver::of_process().init(Call::knvmlInit_v2);
}

nvmlReturn_t nvmlInitWithFlags(unsigned /*flags*/) {
  return Driver::of_process().init(Call::knvmlInitWithFlags);
}

nvmlReturn_t nvmlShutdown() {
  return Driver::of_process().shutdown();
}

const char* nvmlErrorString(nvmlReturn_t result) {
  static constexpr std::array kTexts = {
      "Success",
      "Uninitialized",
      "Invalid Argument",
      "Not Supported",
      "Insufficient Permissions",
      "Already Initialized",
      "Not Found",
      "Insufficient Size",
      "Insufficient External Power",
      "Driver Not Loaded",
      "Timeout",
      "Interrupt Request Issue",
      "NVML Shared Library Not Found",
      "Function Not Found",
      "Corrupted infoROM",
      "GPU is lost",
      "GPU requires reset",
      "GPU access blocked by the operating system",
      "Driver/library version mismatch",
      "In use by another client",
      "Insufficient Memory",
      "No data",
      "vGPU ECC not supported",
      "Insufficient Resources",
      "Invalid Frequency",
      "Argument version mismatch",
      "Requested functionality has been deprecated",
      "System is not in ready state",
      "No supported GPUs were found",
      "Resource not in correct state to perform requested operation",
      "Reset type is not supported for given device"};
  Driver::of_process().count(Call::knvmlErrorString);
  const auto index = static_cast<std::size_t>(result);
  return result >= 0 && index < kTexts.size() ? kTexts[index] : "Unknown Error";
}

nvmlReturn_t nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return answer(Call::knvmlSystemGetDriverVersion, [&](const Session& session) {
    return copy_text(session.profile().driver_version, version, length);
  });
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char* version, unsigned length) {
  return answer(Call::knvmlSystemGetNVMLVersion, [&](const Session& session) {
    const int major = session.profile().cuda_version / 1000;
    return copy_text(
        std::to_string(major) + "." + session.profile().driver_version, version,
        length);
  });
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int* version) {
  return cuda_version(Call::knvmlSystemGetCudaDriverVersion, version);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* version) {
  return cuda_version(Call::knvmlSystemGetCudaDriverVersion_v2, version);
}

nvmlReturn_t nvmlSystemGetProcessName(unsigned pid, char* name,
                                      unsigned length) {
  return answer(
      Call::knvmlSystemGetProcessName, [&](const Session&) -> nvmlReturn_t {
        std::array<char, 64> path{};
        std::snprintf(path.data(), path.size(), "/proc/%u/cmdline", pid);
        std::FILE* file = std::fopen(path.data(), "re");
        if (file == nullptr) return NVML_ERROR_NOT_FOUND;
        std::array<char, 4096> text{};
        const std::size_t got =
            std::fread(text.data(), 1, text.size() - 1, file);
        std::fclose(file);
        if (got == 0) return NVML_ERROR_NOT_FOUND;
        return copy_text(text.data(), name, length);
      });
}

nvmlReturn_t nvmlDeviceGetCount(unsigned* count) {
  return device_count(Call::knvmlDeviceGetCount, count);
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned* count) {
  return device_count(Call::knvmlDeviceGetCount_v2, count);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned index, nvmlDevice_t* device) {
  return handle_by_index(Call::knvmlDeviceGetHandleByIndex, index, device);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index,
                                           nvmlDevice_t* device) {
  return handle_by_index(Call::knvmlDeviceGetHandleByIndex_v2, index, device);
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  return give_handle(
      Call::knvmlDeviceGetHandleByUUID, device,
      uuid == nullptr ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_NOT_FOUND,
      [uuid](const Session& session) -> nvmlDevice_st* {
        return uuid == nullptr ? nullptr : session.by_uuid(uuid);
      });
}

nvmlReturn_t nvmlDeviceGetHandleBySerial(const char* serial,
                                         nvmlDevice_t* device) {
  return give_handle(
      Call::knvmlDeviceGetHandleBySerial, device,
      serial == nullptr ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_NOT_FOUND,
      [serial](const Session& session) -> nvmlDevice_st* {
        for (unsigned i = 0; serial != nullptr && i < session.gpu_count();
             ++i) {
          if (session.gpu(i)->gpu->serial == serial) return session.gpu(i);
        }
        return nullptr;
      });
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char* bus_id,
                                           nvmlDevice_t* device) {
  return handle_by_bus_id(Call::knvmlDeviceGetHandleByPciBusId, bus_id, device);
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id,
                                              nvmlDevice_t* device) {
  return handle_by_bus_id(Call::knvmlDeviceGetHandleByPciBusId_v2, bus_id,
                          device);
}
