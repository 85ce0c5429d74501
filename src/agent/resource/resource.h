// Resource: one extended resource of the node, e.g. nvidia.com/gpu, with the
// Devices behind it and the ids under which they are offered.
//
// Everything an answer to the kubelet needs is computed here once; answering
// is then a look-up. Nothing in this room does I/O, starts threads or reads
// clocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/settings.h"
#include "agent/resource/resource_name.h"
#include "gpu/device/identity.h"

namespace gpunode::resource {

/// A full GPU or a MIG device, with all that an Allocation needs of it.
struct Device {
  device::DeviceId id;
  device::DeviceId gpu_id;  ///< Of the physical GPU; `id` for a full one.
  device::Index gpu;        ///< Of the physical GPU.
  std::optional<unsigned> mig_index;  ///< Absent: a full GPU.
  std::optional<unsigned> gpu_instance;
  std::optional<unsigned> compute_instance;
  std::string index_text;  ///< "0", or "0:1": what id strategy `index` says.
  /// "/dev/nvidia0"; of a MIG device: parent, GI cap, CI cap. Relative to the
  /// dev root, which is the caller's to prepend.
  std::vector<std::string> nodes;
  std::optional<unsigned> numa_node;
  int compute_major = 0;
  int compute_minor = 0;
  std::uint64_t memory_bytes = 0;  ///< 0: unknown.
  std::size_t topology_row = 0;    ///< Of the physical GPU.
  std::uint32_t replicas = 0;      ///< 0: not shared, offered by its plain id.

  bool is_mig() const { return mig_index.has_value(); }
};

/// How the Replicas of a Resource are shared.
struct Sharing {
  config::SharingStrategy strategy = config::SharingStrategy::kNone;
  bool fail_requests_greater_than_one = false;
  config::HolderLimits limits = config::HolderLimits::kNone;
  config::OnUnsupported on_unsupported = config::OnUnsupported::kRefuse;
  /// Of shares alone.
  config::ComputePolicy compute = config::ComputePolicy::kFair;
  config::SharePriority priority = config::SharePriority::kNone;  ///< Likewise.

  /// Who holds a part of a Device has that part of its time, too.
  bool is_of_time() const {
    return strategy == config::SharingStrategy::kShares
               ? compute != config::ComputePolicy::kNone
               : limits == config::HolderLimits::kMemoryAndCompute;
  }
};

/// One offered id, found.
struct Replica {
  std::size_t device = 0;    ///< Into Resource::devices().
  std::size_t position = 0;  ///< Among all Replicas, in offered order.
};

/// Immutable once built. Any thread may read.
class Resource {
 public:
  /// Puts `devices` in the stable order: GPU index, then MIG index. Their ids
  /// must differ.
  Resource(ResourceName name, std::vector<Device> devices,
           Sharing sharing = {});

  const ResourceName& name() const { return name_; }
  const std::vector<Device>& devices() const { return devices_; }
  const Sharing& sharing() const { return sharing_; }

  /// Who holds a part of a Device is held to a part of its memory.
  bool is_limiting() const {
    return sharing_.strategy == config::SharingStrategy::kShares ||
           sharing_.limits != config::HolderLimits::kNone;
  }

  /// How many ids are offered; the node's capacity.
  std::size_t replica_count() const { return starts_.back(); }

  /// Where the Replicas of `device` start; they are consecutive.
  std::size_t first_position(std::size_t device) const {
    return starts_[device];
  }

  /// The Device behind a position. Positions follow the Devices' order, and
  /// within one the Replicas' numbers. `position` < replica_count().
  std::size_t device_at(std::size_t position) const;

  /// The id offered at a position.
  std::string id_at(std::size_t position) const;

  /// What `id` names, if it is exactly an id that is offered. Allocates
  /// nothing.
  std::optional<Replica> find(std::string_view id) const;

  /// Position of the Device with this UUID, if it belongs here.
  std::optional<std::size_t> find_device(std::string_view uuid) const;

 private:
  ResourceName name_;
  std::vector<Device> devices_;
  Sharing sharing_;
  std::vector<std::size_t> starts_;   // One more than devices_.
  std::vector<std::uint32_t> slots_;  // Open addressing; device + 1, 0: free.
};

}  // namespace gpunode::resource
