// Session: the devices of one profile, from nvmlInit to nvmlShutdown, and the
// objects that NVML's opaque handles point at.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>

#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/calls.h"
#include "tests/doubles/nvml/profile.h"

// NOLINTBEGIN(readability-identifier-naming): NVML's names.
/// A GPU, or one MIG device of it.
struct nvmlDevice_st {
  const gpunode::fake_nvml::GpuSpec* gpu;
  unsigned gpu_index;
  const gpunode::fake_nvml::MigDeviceSpec* mig;  ///< Null: the GPU itself.
  unsigned mig_index;
};

struct nvmlGpuInstance_st {
  nvmlDevice_st* gpu;
  const gpunode::fake_nvml::MigProfile* profile;
  unsigned id;
  unsigned placement;
};

struct nvmlComputeInstance_st {
  nvmlGpuInstance_st* gpu_instance;
  const gpunode::fake_nvml::MigDeviceSpec* spec;
};
// NOLINTEND(readability-identifier-naming)

namespace gpunode::fake_nvml {

/// Immutable once made, so calls read it without a lock. The process keeps
/// every session it made: a handle of a past one is then only a wrong handle.
class Session {
 public:
  explicit Session(Profile profile);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Profile& profile() const { return profile_; }
  bool is_absent(Call call) const {
    return absent_[static_cast<unsigned>(call)];
  }

  unsigned gpu_count() const { return static_cast<unsigned>(gpus_.size()); }
  nvmlDevice_st* gpu(unsigned index) const;
  nvmlDevice_st* mig_device(unsigned gpu, unsigned index) const;
  /// Full GPUs and MIG devices.
  nvmlDevice_st* by_uuid(std::string_view uuid) const;
  /// Whether the pointer is of this session; any value may be asked.
  bool owns(nvmlDevice_t device) const;
  bool owns(nvmlGpuInstance_t instance) const;
  bool owns(nvmlComputeInstance_t instance) const;

  const std::deque<nvmlGpuInstance_st>& gpu_instances() const {
    return gpu_instances_;
  }
  const std::deque<nvmlComputeInstance_st>& compute_instances() const {
    return compute_instances_;
  }

 private:
  nvmlGpuInstance_st& instance_of(nvmlDevice_st& gpu,
                                  const MigDeviceSpec& spec);

  Profile profile_;
  std::array<bool, kCallCount> absent_{};
  // Deques: handles are addresses of elements.
  std::deque<nvmlDevice_st> gpus_;
  std::deque<nvmlDevice_st> mig_devices_;
  std::deque<nvmlGpuInstance_st> gpu_instances_;
  std::deque<nvmlComputeInstance_st> compute_instances_;
};

}  // namespace gpunode::fake_nvml
