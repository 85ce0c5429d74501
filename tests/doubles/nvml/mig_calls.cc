// MIG: partitions of a GPU and the kinds they can be of.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/driver.h"

using gpunode::fake_nvml::answer;
using gpunode::fake_nvml::answer_found;
using gpunode::fake_nvml::answer_value;
using gpunode::fake_nvml::Call;
using gpunode::fake_nvml::MigProfile;
using gpunode::fake_nvml::Session;

namespace {

/// Seven compute slices make a GPU that can be cut.
constexpr unsigned kMaxMigDevices = 7;

/// The slices of NVML_COMPUTE_INSTANCE_PROFILE_* by number; 0: not offered.
constexpr std::array<unsigned, NVML_COMPUTE_INSTANCE_PROFILE_COUNT>
    kComputeSlices = {1, 2, 3, 4, 7, 8, 6, 0, 0};

/// Which compute instances the driver offers in a GPU instance.
bool fits(unsigned compute_slices, unsigned gpu_slices) {
  if (compute_slices == 0 || compute_slices > gpu_slices) return false;
  return gpu_slices != 4 || compute_slices != 3;
}

unsigned compute_profile_of(unsigned slices) {
  const auto* found = std::ranges::find(kComputeSlices, slices);
  return static_cast<unsigned>(found - kComputeSlices.begin());
}

const MigProfile* kind_of(const nvmlDevice_st& device, const Session& session,
                          unsigned number) {
  if (!device.gpu->mig_capable) return nullptr;
  for (const MigProfile& kind : session.profile().mig_profiles) {
    if (kind.nvml_number == number) return &kind;
  }
  return nullptr;
}

/// The members that the versions of the struct share, by name.
template <class Info>
void fill_kind(const MigProfile& kind, Info& info) {
  info.id = kind.id;
  info.sliceCount = kind.slices;
  info.instanceCount = kind.instances;
  info.multiprocessorCount = kind.multiprocessors;
  info.copyEngineCount = kind.copy_engines;
  info.decoderCount = kind.decoders;
  info.encoderCount = kind.encoders;
  info.jpegCount = kind.jpeg_engines;
  info.ofaCount = kind.ofa_engines;
  info.memorySizeMB = kind.memory_mib;
}

nvmlReturn_t attributes_of(Call call, nvmlDevice_t mig,
                           nvmlDeviceAttributes_t* attributes) {
  return answer(call, mig, [&](const Session& session, nvmlDevice_st& found) {
    if (attributes == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    if (found.mig == nullptr) return NVML_ERROR_NOT_SUPPORTED;
    const auto& kind = *session.profile().mig_profile(found.mig->gpu_profile);
    const unsigned slices = found.mig->compute_slices;
    *attributes = {kind.multiprocessors * slices / kind.slices,
                   kind.copy_engines,
                   kind.decoders,
                   kind.encoders,
                   kind.jpeg_engines,
                   kind.ofa_engines,
                   kind.slices,
                   slices,
                   kind.memory_mib};
    return NVML_SUCCESS;
  });
}

/// An id that only MIG devices have.
template <class Id>
nvmlReturn_t instance_id(Call call, nvmlDevice_t mig, unsigned* into, Id id) {
  return answer(call, mig, [&](const Session&, nvmlDevice_st& found) {
    if (into == nullptr || found.mig == nullptr) {
      return NVML_ERROR_INVALID_ARGUMENT;
    }
    *into = id(found);
    return NVML_SUCCESS;
  });
}

/// A call on a GPU instance: `body(session, instance)`.
template <class Body>
nvmlReturn_t answer_instance(Call call, nvmlGpuInstance_t instance, Body body) {
  return answer_found(
      call,
      [instance](const Session& session) {
        return session.owns(instance) ? instance->gpu : nullptr;
      },
      NVML_ERROR_INVALID_ARGUMENT,
      [&](const Session& session, nvmlDevice_st&) {
        return body(session, *instance);
      });
}

nvmlReturn_t compute_instance_info(Call call, nvmlComputeInstance_t instance,
                                   nvmlComputeInstanceInfo_t* info) {
  return answer_found(
      call,
      [instance](const Session& session) {
        return session.owns(instance) ? instance->gpu_instance->gpu : nullptr;
      },
      NVML_ERROR_INVALID_ARGUMENT,
      [&](const Session&, nvmlDevice_st& gpu) {
        if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        const unsigned slices = instance->spec->compute_slices;
        *info = {&gpu,
                 instance->gpu_instance,
                 instance->spec->compute_instance,
                 compute_profile_of(slices),
                 {instance->spec->compute_instance, slices}};
        return NVML_SUCCESS;
      });
}

}  // namespace

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned* current,
                                  unsigned* pending) {
  return answer(Call::knvmlDeviceGetMigMode, device,
                [&](const Session&, nvmlDevice_st& found) {
                  if (current == nullptr || pending == nullptr) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  if (!found.gpu->mig_capable || found.mig != nullptr) {
                    return NVML_ERROR_NOT_SUPPORTED;
                  }
                  *current = found.gpu->mig_enabled ? 1 : 0;
                  *pending = found.gpu->mig_pending ? 1 : 0;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device,
                                            unsigned* count) {
  return answer_value(Call::knvmlDeviceGetMaxMigDeviceCount, device, count,
                      [](const nvmlDevice_st& found) {
                        return found.gpu->mig_enabled ? kMaxMigDevices : 0U;
                      });
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device,
                                                 unsigned index,
                                                 nvmlDevice_t* mig) {
  return answer(Call::knvmlDeviceGetMigDeviceHandleByIndex, device,
                [&](const Session& session, nvmlDevice_st& found) {
                  if (mig == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
                  nvmlDevice_st* device_at =
                      session.mig_device(found.gpu_index, index);
                  if (device_at == nullptr) return NVML_ERROR_NOT_FOUND;
                  *mig = device_at;
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device,
                                         unsigned* is_mig_device) {
  return answer_value(Call::knvmlDeviceIsMigDeviceHandle, device, is_mig_device,
                      [](const nvmlDevice_st& found) {
                        return found.mig != nullptr ? 1U : 0U;
                      });
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    nvmlDevice_t mig, nvmlDevice_t* parent) {
  return answer(Call::knvmlDeviceGetDeviceHandleFromMigDeviceHandle, mig,
                [&](const Session& session, nvmlDevice_st& found) {
                  if (parent == nullptr || found.mig == nullptr) {
                    return NVML_ERROR_INVALID_ARGUMENT;
                  }
                  *parent = session.gpu(found.gpu_index);
                  return NVML_SUCCESS;
                });
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t mig, unsigned* id) {
  return instance_id(
      Call::knvmlDeviceGetGpuInstanceId, mig, id,
      [](const nvmlDevice_st& found) { return found.mig->gpu_instance; });
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t mig, unsigned* id) {
  return instance_id(
      Call::knvmlDeviceGetComputeInstanceId, mig, id,
      [](const nvmlDevice_st& found) { return found.mig->compute_instance; });
}

nvmlReturn_t nvmlDeviceGetAttributes(nvmlDevice_t mig,
                                     nvmlDeviceAttributes_t* attributes) {
  return attributes_of(Call::knvmlDeviceGetAttributes, mig, attributes);
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t mig,
                                        nvmlDeviceAttributes_t* attributes) {
  return attributes_of(Call::knvmlDeviceGetAttributes_v2, mig, attributes);
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(
    nvmlDevice_t device, unsigned profile, nvmlGpuInstanceProfileInfo_t* info) {
  return answer(
      Call::knvmlDeviceGetGpuInstanceProfileInfo, device,
      [&](const Session& session, nvmlDevice_st& found) {
        if (info == nullptr || profile >= NVML_GPU_INSTANCE_PROFILE_COUNT) {
          return NVML_ERROR_INVALID_ARGUMENT;
        }
        const MigProfile* kind = kind_of(found, session, profile);
        if (kind == nullptr) return NVML_ERROR_NOT_SUPPORTED;
        *info = {};
        fill_kind(*kind, *info);
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(
    nvmlDevice_t device, unsigned profile,
    nvmlGpuInstanceProfileInfo_v2_t* info) {
  return answer(
      Call::knvmlDeviceGetGpuInstanceProfileInfoV, device,
      [&](const Session& session, nvmlDevice_st& found) -> nvmlReturn_t {
        if (info == nullptr || profile >= NVML_GPU_INSTANCE_PROFILE_COUNT) {
          return NVML_ERROR_INVALID_ARGUMENT;
        }
        const MigProfile* kind = kind_of(found, session, profile);
        if (kind == nullptr) return NVML_ERROR_NOT_SUPPORTED;
        const std::string name = "MIG " + kind->name;
        if (info->version ==
            NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2)) {
          info->isP2pSupported = 0;
          fill_kind(*kind, *info);
          return gpunode::fake_nvml::copy_text(name, info->name,
                                               sizeof info->name);
        }
        if (info->version ==
            NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v3_t, 3)) {
          nvmlGpuInstanceProfileInfo_v3_t newer{};
          newer.version = info->version;
          fill_kind(*kind, newer);
          gpunode::fake_nvml::copy_text(name, newer.name, sizeof newer.name);
          std::memcpy(info, &newer, sizeof newer);
          return NVML_SUCCESS;
        }
        return NVML_ERROR_INVALID_ARGUMENT;  // As driver 580 has it.
      });
}

nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t device, unsigned profile_id,
                                       nvmlGpuInstance_t* instances,
                                       unsigned* count) {
  return answer(
      Call::knvmlDeviceGetGpuInstances, device,
      [&](const Session& session, nvmlDevice_st& found) {
        if (instances == nullptr || count == nullptr) {
          return NVML_ERROR_INVALID_ARGUMENT;
        }
        if (!found.gpu->mig_enabled) return NVML_ERROR_NOT_SUPPORTED;
        *count = 0;
        for (const nvmlGpuInstance_st& instance : session.gpu_instances()) {
          if (instance.gpu == &found && instance.profile->id == profile_id) {
            instances[(*count)++] = const_cast<nvmlGpuInstance_st*>(&instance);
          }
        }
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned id,
                                          nvmlGpuInstance_t* instance) {
  return answer(
      Call::knvmlDeviceGetGpuInstanceById, device,
      [&](const Session& session, nvmlDevice_st& found) {
        if (instance == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        for (const nvmlGpuInstance_st& each : session.gpu_instances()) {
          if (each.gpu == &found && each.id == id) {
            *instance = const_cast<nvmlGpuInstance_st*>(&each);
            return NVML_SUCCESS;
          }
        }
        return NVML_ERROR_NOT_FOUND;
      });
}

nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t instance,
                                    nvmlGpuInstanceInfo_t* info) {
  return answer_instance(
      Call::knvmlGpuInstanceGetInfo, instance,
      [info](const Session&, const nvmlGpuInstance_st& found) {
        if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        *info = {found.gpu,
                 found.id,
                 found.profile->id,
                 {found.placement, found.profile->memory_slices}};
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(
    nvmlGpuInstance_t instance, unsigned profile, unsigned engine_profile,
    nvmlComputeInstanceProfileInfo_t* info) {
  return answer_instance(
      Call::knvmlGpuInstanceGetComputeInstanceProfileInfo, instance,
      [&](const Session&, const nvmlGpuInstance_st& found) {
        if (info == nullptr || profile >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT ||
            engine_profile != NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED) {
          return NVML_ERROR_INVALID_ARGUMENT;
        }
        const MigProfile& kind = *found.profile;
        const unsigned slices = kComputeSlices[profile];
        if (!fits(slices, kind.slices)) return NVML_ERROR_NOT_SUPPORTED;
        *info = {profile,
                 slices,
                 kind.slices / slices,
                 kind.multiprocessors * slices / kind.slices,
                 kind.copy_engines,
                 kind.decoders,
                 kind.encoders,
                 kind.jpeg_engines,
                 kind.ofa_engines};
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstances(
    nvmlGpuInstance_t instance, unsigned profile_id,
    nvmlComputeInstance_t* instances, unsigned* count) {
  return answer_instance(
      Call::knvmlGpuInstanceGetComputeInstances, instance,
      [&](const Session& session, const nvmlGpuInstance_st& found) {
        if (instances == nullptr || count == nullptr) {
          return NVML_ERROR_INVALID_ARGUMENT;
        }
        *count = 0;
        for (const auto& each : session.compute_instances()) {
          if (each.gpu_instance == &found &&
              compute_profile_of(each.spec->compute_slices) == profile_id) {
            instances[(*count)++] = const_cast<nvmlComputeInstance_st*>(&each);
          }
        }
        return NVML_SUCCESS;
      });
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(
    nvmlGpuInstance_t instance, unsigned id,
    nvmlComputeInstance_t* compute_instance) {
  return answer_instance(
      Call::knvmlGpuInstanceGetComputeInstanceById, instance,
      [&](const Session& session, const nvmlGpuInstance_st& found) {
        if (compute_instance == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
        for (const auto& each : session.compute_instances()) {
          if (each.gpu_instance == &found &&
              each.spec->compute_instance == id) {
            *compute_instance = const_cast<nvmlComputeInstance_st*>(&each);
            return NVML_SUCCESS;
          }
        }
        return NVML_ERROR_NOT_FOUND;
      });
}

nvmlReturn_t nvmlComputeInstanceGetInfo(nvmlComputeInstance_t instance,
                                        nvmlComputeInstanceInfo_t* info) {
  return compute_instance_info(Call::knvmlComputeInstanceGetInfo, instance,
                               info);
}

nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t instance,
                                           nvmlComputeInstanceInfo_t* info) {
  return compute_instance_info(Call::knvmlComputeInstanceGetInfo_v2, instance,
                               info);
}
