#include "gpu/nvml/return_code.h"

#include <fmt/format.h>

namespace gpunode::nvml {
namespace {

ErrorCode error_code_of(nvmlReturn_t code) {
  switch (code) {
    case NVML_ERROR_INVALID_ARGUMENT:
    case NVML_ERROR_INSUFFICIENT_SIZE:
      return ErrorCode::kInvalidArgument;
    case NVML_ERROR_NOT_SUPPORTED:
    case NVML_ERROR_FUNCTION_NOT_FOUND:
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH:
    case NVML_ERROR_DEPRECATED:
      return ErrorCode::kUnsupported;
    case NVML_ERROR_NO_PERMISSION:
      return ErrorCode::kPermissionDenied;
    case NVML_ERROR_ALREADY_INITIALIZED:
      return ErrorCode::kAlreadyExists;
    case NVML_ERROR_NOT_FOUND:
    case NVML_ERROR_LIBRARY_NOT_FOUND:
    case NVML_ERROR_GPU_NOT_FOUND:
    case NVML_ERROR_NO_DATA:
      return ErrorCode::kNotFound;
    // All of these pass: the driver is loaded, the GPU is reset, or the
    // library and the kernel module of one update meet again.
    case NVML_ERROR_UNINITIALIZED:
    case NVML_ERROR_INSUFFICIENT_POWER:
    case NVML_ERROR_DRIVER_NOT_LOADED:
    case NVML_ERROR_TIMEOUT:
    case NVML_ERROR_IRQ_ISSUE:
    case NVML_ERROR_GPU_IS_LOST:
    case NVML_ERROR_RESET_REQUIRED:
    case NVML_ERROR_OPERATING_SYSTEM:
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH:
    case NVML_ERROR_IN_USE:
    case NVML_ERROR_MEMORY:
    case NVML_ERROR_NOT_READY:
      return ErrorCode::kUnavailable;
    case NVML_ERROR_CORRUPTED_INFOROM:
      return ErrorCode::kCorrupt;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

#define GPUNODE_NVML_CODES(X)        \
  X(SUCCESS)                         \
  X(ERROR_UNINITIALIZED)             \
  X(ERROR_INVALID_ARGUMENT)          \
  X(ERROR_NOT_SUPPORTED)             \
  X(ERROR_NO_PERMISSION)             \
  X(ERROR_ALREADY_INITIALIZED)       \
  X(ERROR_NOT_FOUND)                 \
  X(ERROR_INSUFFICIENT_SIZE)         \
  X(ERROR_INSUFFICIENT_POWER)        \
  X(ERROR_DRIVER_NOT_LOADED)         \
  X(ERROR_TIMEOUT)                   \
  X(ERROR_IRQ_ISSUE)                 \
  X(ERROR_LIBRARY_NOT_FOUND)         \
  X(ERROR_FUNCTION_NOT_FOUND)        \
  X(ERROR_CORRUPTED_INFOROM)         \
  X(ERROR_GPU_IS_LOST)               \
  X(ERROR_RESET_REQUIRED)            \
  X(ERROR_OPERATING_SYSTEM)          \
  X(ERROR_LIB_RM_VERSION_MISMATCH)   \
  X(ERROR_IN_USE)                    \
  X(ERROR_MEMORY)                    \
  X(ERROR_NO_DATA)                   \
  X(ERROR_VGPU_ECC_NOT_SUPPORTED)    \
  X(ERROR_INSUFFICIENT_RESOURCES)    \
  X(ERROR_FREQ_NOT_SUPPORTED)        \
  X(ERROR_ARGUMENT_VERSION_MISMATCH) \
  X(ERROR_DEPRECATED)                \
  X(ERROR_NOT_READY)                 \
  X(ERROR_GPU_NOT_FOUND)             \
  X(ERROR_INVALID_STATE)             \
  X(ERROR_RESET_TYPE_NOT_SUPPORTED)  \
  X(ERROR_UNKNOWN)

std::string name_of(nvmlReturn_t code) {
  switch (code) {
#define GPUNODE_NVML_CASE(name) \
  case NVML_##name:             \
    return #name;
    GPUNODE_NVML_CODES(GPUNODE_NVML_CASE)
#undef GPUNODE_NVML_CASE
    default:
      return fmt::format("ERROR_{}", code);
  }
}

Error error_of(std::string_view attempted, nvmlReturn_t code) {
  return {error_code_of(code), fmt::format("{}: {}", attempted, name_of(code))};
}

bool is_unsupported(nvmlReturn_t code) {
  return error_code_of(code) == ErrorCode::kUnsupported;
}

}  // namespace gpunode::nvml
