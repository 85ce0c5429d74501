#include "gpu/nvml/mig_query.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "gpu/device/mig_profile.h"
#include "gpu/nvml/return_code.h"

namespace gpunode::nvml {
namespace {

struct VariantProfile {
  unsigned profile;
  device::MigVariant variant;
};

constexpr std::array kVariantProfiles = {
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1,
                   device::MigVariant::kMedia},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1,
                   device::MigVariant::kMedia},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_1_SLICE_GFX,
                   device::MigVariant::kGraphics},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_2_SLICE_GFX,
                   device::MigVariant::kGraphics},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_3_SLICE_GFX,
                   device::MigVariant::kGraphics},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_4_SLICE_GFX,
                   device::MigVariant::kGraphics},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_1_SLICE_NO_ME,
                   device::MigVariant::kNoMedia},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_2_SLICE_NO_ME,
                   device::MigVariant::kNoMedia},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_1_SLICE_ALL_ME,
                   device::MigVariant::kAllMedia},
    VariantProfile{NVML_GPU_INSTANCE_PROFILE_2_SLICE_ALL_ME,
                   device::MigVariant::kAllMedia},
};

// Which GPU instance profiles of this GPU are not plain. NVML numbers profiles
// twice: the constants above ask, the id it answers with is what an instance
// carries.
std::vector<VariantProfile> query_variants(const Api& api,
                                           nvmlDevice_t handle) {
  std::vector<VariantProfile> known;
  for (const VariantProfile& asked : kVariantProfiles) {
    nvmlGpuInstanceProfileInfo_t info = {};
    const nvmlReturn_t code = call_optional(
        api.nvmlDeviceGetGpuInstanceProfileInfo, handle, asked.profile, &info);
    if (code == NVML_SUCCESS) known.push_back({info.id, asked.variant});
  }
  return known;
}

// The instance's own profile decides, as in go-nvlib. To read it takes
// CAP_SYS_ADMIN or the MIG monitor capability; without them the device's name
// tells the same ("NVIDIA A100-SXM4-40GB MIG 1g.5gb+me").
device::MigVariant query_variant(const Api& api, nvmlDevice_t parent,
                                 nvmlDevice_t mig, unsigned gpu_instance,
                                 const std::vector<VariantProfile>& variants) {
  nvmlGpuInstance_t instance = nullptr;
  nvmlReturn_t code = call_optional(api.nvmlDeviceGetGpuInstanceById, parent,
                                    gpu_instance, &instance);
  nvmlGpuInstanceInfo_t info = {};
  if (code == NVML_SUCCESS) {
    code = call_optional(api.nvmlGpuInstanceGetInfo, instance, &info);
  }
  if (code == NVML_SUCCESS) {
    for (const VariantProfile& known : variants) {
      if (known.profile == info.profileId) return known.variant;
    }
    return device::MigVariant::kPlain;
  }
  std::array<char, NVML_DEVICE_NAME_V2_BUFFER_SIZE> name = {};
  code = api.nvmlDeviceGetName(mig, name.data(), name.size() - 1);
  return code == NVML_SUCCESS ? device::variant_of_name(name.data())
                              : device::MigVariant::kPlain;
}

Result<device::MigAttributes> query_attributes(const Api& api,
                                               nvmlDevice_t mig) {
  nvmlDeviceAttributes_t raw = {};
  const nvmlReturn_t code =
      call_optional(api.nvmlDeviceGetAttributes_v2, mig, &raw);
  if (code != NVML_SUCCESS) return error_of("nvmlDeviceGetAttributes", code);
  device::MigAttributes attributes;
  attributes.multiprocessors = raw.multiprocessorCount;
  attributes.gpu_instance_slices = raw.gpuInstanceSliceCount;
  attributes.compute_instance_slices = raw.computeInstanceSliceCount;
  attributes.copy_engines = raw.sharedCopyEngineCount;
  attributes.decoders = raw.sharedDecoderCount;
  attributes.encoders = raw.sharedEncoderCount;
  attributes.jpeg_engines = raw.sharedJpegCount;
  attributes.ofa_engines = raw.sharedOfaCount;
  attributes.memory_mib = raw.memorySizeMB;
  return attributes;
}

Result<device::MigDevice> query_mig_device(const Api& api, nvmlDevice_t mig) {
  device::MigDevice device;
  std::array<char, NVML_DEVICE_UUID_V2_BUFFER_SIZE> uuid = {};
  nvmlReturn_t code = api.nvmlDeviceGetUUID(mig, uuid.data(), uuid.size() - 1);
  if (code != NVML_SUCCESS) return error_of("nvmlDeviceGetUUID", code);
  device.id.value = uuid.data();
  code =
      call_optional(api.nvmlDeviceGetGpuInstanceId, mig, &device.gpu_instance);
  if (code != NVML_SUCCESS) return error_of("nvmlDeviceGetGpuInstanceId", code);
  code = call_optional(api.nvmlDeviceGetComputeInstanceId, mig,
                       &device.compute_instance);
  if (code != NVML_SUCCESS) {
    return error_of("nvmlDeviceGetComputeInstanceId", code);
  }
  TRY(device.attributes, query_attributes(api, mig));
  return device;
}

std::string profile_of(const device::MigAttributes& attributes,
                       const device::Gpu& gpu, device::MigVariant variant) {
  return device::mig_profile_name(
      attributes.compute_instance_slices, attributes.gpu_instance_slices,
      device::mig_memory_gb(attributes.memory_mib, gpu.memory_bytes), variant);
}

}  // namespace

Result<std::vector<device::MigDevice>> query_mig_devices(
    const Api& api, nvmlDevice_t handle, const device::Gpu& gpu) {
  unsigned room = 0;
  nvmlReturn_t code =
      call_optional(api.nvmlDeviceGetMaxMigDeviceCount, handle, &room);
  if (code != NVML_SUCCESS) {
    return error_of("nvmlDeviceGetMaxMigDeviceCount", code);
  }
  std::vector<device::MigDevice> devices;
  std::optional<std::vector<VariantProfile>> variants;
  for (unsigned position = 0; position < room; ++position) {
    nvmlDevice_t mig = nullptr;
    code = call_optional(api.nvmlDeviceGetMigDeviceHandleByIndex, handle,
                         position, &mig);
    if (code == NVML_ERROR_NOT_FOUND) continue;
    if (code != NVML_SUCCESS) {
      return error_of("nvmlDeviceGetMigDeviceHandleByIndex", code);
    }
    auto device = query_mig_device(api, mig);
    if (!device) {
      return std::move(device).error().with_context(
          fmt::format("MIG device {}", position));
    }
    if (!variants) variants = query_variants(api, handle);
    device->mig_index = position;
    device->profile = profile_of(
        device->attributes, gpu,
        query_variant(api, handle, mig, device->gpu_instance, *variants));
    devices.push_back(*std::move(device));
  }
  return devices;
}

}  // namespace gpunode::nvml
