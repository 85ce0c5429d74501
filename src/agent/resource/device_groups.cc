#include "agent/resource/device_groups.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "agent/resource/replica_id.h"

namespace gpunode::resource {
namespace {

using device::Gpu;
using device::Inventory;
using device::MigDevice;

constexpr std::string_view kFullGpu = "nvidia.com/gpu";
constexpr std::uint64_t kMebibyte = 1ULL << 20U;

ResourceName full_gpu_name() {
  return *ResourceName::parse(kFullGpu);
}

/// DGX stations have a GPU for the screen; NVIDIA's plugin skips it by name.
bool is_display(const Gpu& gpu) {
  return gpu.name == "DGX Display" || gpu.name == "NVIDIA DGX Display";
}

/// A UUID goes into a comma-separated list and in front of "::".
bool is_usable_id(std::string_view id) {
  return !id.empty() && !has_replica_mark(id) &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return c > ' ' && c <= '~' && c != ',' && c != '=';
         });
}

/// "1c.2g.20gb": a part of its GPU instance's compute slices.
bool is_partial(const MigDevice& mig) {
  const std::string_view profile = mig.profile;
  return profile.substr(0, profile.find('.')).ends_with('c') ||
         mig.attributes.compute_instance_slices <
             mig.attributes.gpu_instance_slices;
}

/// One pass over an Inventory.
class Grouping {
 public:
  Grouping(const Inventory& inventory, Problems& problems)
      : inventory_(inventory), problems_(problems) {}

  DeviceGroups none() &&;
  DeviceGroups single() &&;
  DeviceGroups mixed() &&;

 private:
  template <class Visit>
  void for_each_gpu(Visit visit) {
    for (std::size_t row = 0; row < inventory_.gpus.size(); ++row) {
      if (!is_display(inventory_.gpus[row])) visit(inventory_.gpus[row], row);
    }
  }

  static Device full_gpu(const Gpu& gpu, std::size_t row);
  static Device mig_device(const Gpu& gpu, const MigDevice& mig,
                           std::size_t row);
  bool has_caps(const Gpu& gpu, const MigDevice& mig, std::string_view name);
  bool is_empty_mig(const Gpu& gpu);
  void add(const ResourceName& name, Device device);
  void add_mixed(const Gpu& gpu, const MigDevice& mig, std::size_t row);
  void leave_out(std::string_view resource, std::string message);
  DeviceGroups take();

  const Inventory& inventory_;
  Problems& problems_;
  DeviceGroups groups_;
  std::set<std::string, std::less<>> seen_;
};

Device Grouping::full_gpu(const Gpu& gpu, std::size_t row) {
  Device device;
  device.id = gpu.id;
  device.gpu_id = gpu.id;
  device.gpu = gpu.index;
  device.index_text = fmt::format("{}", gpu.index.value);
  device.nodes = {fmt::format("/dev/nvidia{}", gpu.minor.value)};
  device.numa_node = gpu.numa_node;
  device.compute_major = gpu.compute_major;
  device.compute_minor = gpu.compute_minor;
  device.memory_bytes = gpu.memory_bytes;
  device.topology_row = row;
  return device;
}

Device Grouping::mig_device(const Gpu& gpu, const MigDevice& mig,
                            std::size_t row) {
  Device device = full_gpu(gpu, row);
  device.id = mig.id;
  device.mig_index = mig.mig_index;
  device.gpu_instance = mig.gpu_instance;
  device.compute_instance = mig.compute_instance;
  device.index_text = fmt::format("{}:{}", gpu.index.value, mig.mig_index);
  device.nodes.push_back(mig.gpu_instance_cap_path);
  device.nodes.push_back(mig.compute_instance_cap_path);
  device.memory_bytes = mig.attributes.memory_mib * kMebibyte;
  return device;
}

bool Grouping::has_caps(const Gpu& gpu, const MigDevice& mig,
                        std::string_view name) {
  const auto capability = [&](std::string_view below) {
    return fmt::format(
        "/proc/driver/nvidia/capabilities/gpu{}/mig/gi{}{}/access",
        gpu.minor.value, mig.gpu_instance, below);
  };
  if (mig.gpu_instance_cap_path.empty()) {
    leave_out(name, fmt::format("missing MIG GPU instance capability path: {}",
                                capability("")));
    return false;
  }
  if (mig.compute_instance_cap_path.empty()) {
    leave_out(
        name,
        fmt::format("missing MIG compute instance capability path: {}",
                    capability(fmt::format("/ci{}", mig.compute_instance))));
    return false;
  }
  return true;
}

bool Grouping::is_empty_mig(const Gpu& gpu) {
  if (!gpu.mig_enabled || !gpu.mig_devices.empty()) return false;
  leave_out("", fmt::format("device {} has no MIG devices configured",
                            gpu.index.value));
  return true;
}

void Grouping::add(const ResourceName& name, Device device) {
  if (!is_usable_id(device.id.value)) {
    leave_out(name.value(),
              fmt::format("device {} has an unusable UUID: '{}'",
                          device.index_text, printable(device.id.value)));
    return;
  }
  if (!seen_.insert(device.id.value).second) {
    leave_out(name.value(), fmt::format("device {} has the UUID of another: {}",
                                        device.index_text, device.id.value));
    return;
  }
  groups_[name].push_back(std::move(device));
}

void Grouping::leave_out(std::string_view resource, std::string message) {
  problems_.push_back({Problem::Effect::kDeviceLeftOut, std::string(resource),
                       std::move(message)});
}

DeviceGroups Grouping::take() {
  for (auto& [name, devices] : groups_) {
    std::sort(
        devices.begin(), devices.end(), [](const Device& a, const Device& b) {
          return std::pair(a.gpu, a.mig_index) < std::pair(b.gpu, b.mig_index);
        });
  }
  return std::move(groups_);
}

DeviceGroups Grouping::none() && {
  for_each_gpu([this](const Gpu& gpu, std::size_t row) {
    add(full_gpu_name(), full_gpu(gpu, row));
  });
  return take();
}

DeviceGroups Grouping::single() && {
  const MigDevice* first = nullptr;
  bool is_one_type = true;
  bool has_full_gpu = false;
  for_each_gpu([&](const Gpu& gpu, std::size_t row) {
    if (is_empty_mig(gpu)) return;
    if (!gpu.mig_enabled) {
      has_full_gpu = true;
      add(full_gpu_name(), full_gpu(gpu, row));
      return;
    }
    for (const MigDevice& mig : gpu.mig_devices) {
      if (first == nullptr) first = &mig;
      is_one_type = is_one_type && mig.attributes == first->attributes;
      if (has_caps(gpu, mig, kFullGpu)) {
        add(full_gpu_name(), mig_device(gpu, mig, row));
      }
    }
  });
  const char* ambiguity = nullptr;
  if (!is_one_type) {
    ambiguity = "more than one MIG device type present on node";
  } else if (has_full_gpu && first != nullptr) {
    ambiguity =
        "all devices on the node must be configured with the same migEnabled "
        "value";
  }
  if (ambiguity != nullptr) {
    problems_.push_back(
        {Problem::Effect::kResourceLeftOut, std::string(kFullGpu), ambiguity});
    return {};
  }
  return take();
}

DeviceGroups Grouping::mixed() && {
  for_each_gpu([this](const Gpu& gpu, std::size_t row) {
    if (is_empty_mig(gpu)) return;
    if (!gpu.mig_enabled) {
      add(full_gpu_name(), full_gpu(gpu, row));
      return;
    }
    for (const MigDevice& mig : gpu.mig_devices) add_mixed(gpu, mig, row);
  });
  return take();
}

void Grouping::add_mixed(const Gpu& gpu, const MigDevice& mig,
                         std::size_t row) {
  std::string profile = mig.profile;
  std::replace(profile.begin(), profile.end(), '+', '.');
  const auto name =
      ResourceName::parse(fmt::format("nvidia.com/mig-{}", profile));
  if (!name || is_partial(mig)) {
    leave_out("", fmt::format("MIG profile '{}' does not match any resource "
                              "patterns",
                              printable(mig.profile)));
    return;
  }
  if (has_caps(gpu, mig, name->value())) add(*name, mig_device(gpu, mig, row));
}

}  // namespace

DeviceGroups group_devices(const device::Inventory& inventory,
                           config::MigStrategy strategy, Problems& problems) {
  Grouping grouping(inventory, problems);
  switch (strategy) {
    case config::MigStrategy::kSingle:
      return std::move(grouping).single();
    case config::MigStrategy::kMixed:
      return std::move(grouping).mixed();
    case config::MigStrategy::kNone:
      break;
  }
  return std::move(grouping).none();
}

}  // namespace gpunode::resource
