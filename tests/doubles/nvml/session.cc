#include "tests/doubles/nvml/session.h"

#include <algorithm>
#include <utility>

namespace gpunode::fake_nvml {

namespace {

/// The element with that address. NVML's handles are not const.
template <class T>
bool has_address(const std::deque<T>& elements, const T* address) {
  return std::ranges::any_of(
      elements, [address](const T& element) { return &element == address; });
}

}  // namespace

Session::Session(Profile profile) : profile_(std::move(profile)) {
  for (const std::string& name : profile_.absent_symbols) {
    if (const auto call = call_named(name)) {
      absent_[static_cast<unsigned>(*call)] = true;
    }
  }
  for (unsigned i = 0; i < profile_.gpus.size(); ++i) {
    gpus_.push_back({&profile_.gpus[i], i, nullptr, 0});
  }
  for (nvmlDevice_st& gpu : gpus_) {
    if (!gpu.gpu->mig_enabled) continue;
    unsigned index = 0;
    for (const MigDeviceSpec& spec : gpu.gpu->mig_devices) {
      mig_devices_.push_back({gpu.gpu, gpu.gpu_index, &spec, index++});
      compute_instances_.push_back({&instance_of(gpu, spec), &spec});
    }
  }
}

nvmlGpuInstance_st& Session::instance_of(nvmlDevice_st& gpu,
                                         const MigDeviceSpec& spec) {
  for (nvmlGpuInstance_st& instance : gpu_instances_) {
    if (instance.gpu == &gpu && instance.id == spec.gpu_instance) {
      return instance;
    }
  }
  return gpu_instances_.emplace_back(
      nvmlGpuInstance_st{&gpu, profile_.mig_profile(spec.gpu_profile),
                         spec.gpu_instance, spec.placement});
}

nvmlDevice_st* Session::gpu(unsigned index) const {
  return index < gpus_.size() ? const_cast<nvmlDevice_st*>(&gpus_[index])
                              : nullptr;
}

nvmlDevice_st* Session::mig_device(unsigned gpu, unsigned index) const {
  for (const nvmlDevice_st& device : mig_devices_) {
    if (device.gpu_index == gpu && device.mig_index == index) {
      return const_cast<nvmlDevice_st*>(&device);
    }
  }
  return nullptr;
}

nvmlDevice_st* Session::by_uuid(std::string_view uuid) const {
  for (const nvmlDevice_st& device : gpus_) {
    if (device.gpu->uuid == uuid) return const_cast<nvmlDevice_st*>(&device);
  }
  for (const nvmlDevice_st& device : mig_devices_) {
    if (device.mig->uuid == uuid) return const_cast<nvmlDevice_st*>(&device);
  }
  return nullptr;
}

bool Session::owns(nvmlDevice_t device) const {
  return has_address(gpus_, device) || has_address(mig_devices_, device);
}

bool Session::owns(nvmlGpuInstance_t instance) const {
  return has_address(gpu_instances_, instance);
}

bool Session::owns(nvmlComputeInstance_t instance) const {
  return has_address(compute_instances_, instance);
}

}  // namespace gpunode::fake_nvml
