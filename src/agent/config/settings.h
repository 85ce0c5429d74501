// Settings: what a device plugin was told to do, typed and validated.
//
// The union of NVIDIA's config file v1, flags and environment after
// precedence (flag > environment > file > default). Everything below is a
// value; agent/config parses and prints it, the rest of the agent reads it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/core/log.h"

namespace gpunode::config {

enum class MigStrategy { kNone, kSingle, kMixed };
enum class DeviceListStrategy {
  kEnvvar,
  kVolumeMounts,
  kCdiAnnotations,
  kCdiCri
};
enum class DeviceIdStrategy { kUuid, kIndex };
enum class AllocationPolicy { kDistributed, kPacked };
enum class DiscoveryStrategy { kAuto, kNvml, kTegra, kVfio };
/// kShares is ours: K of N Replicas are K/N of one GPU (docs/sharing.md).
enum class SharingStrategy { kNone, kTimeSlicing, kMps, kShares };
/// What each holder of a replicated Device is held to 1/N of (ours).
enum class HolderLimits { kNone, kMemory, kMemoryAndCompute };
/// What becomes of a container that is to be limited and whose programs cannot
/// be (ours, docs/adr/0027).
enum class OnUnsupported { kRefuse, kUnlimited };
/// How a Device's time is given to those who have parts of it (ours,
/// docs/adr/0028): kNone: as the hardware slices it.
enum class ComputePolicy { kNone, kFair, kBurst, kHard };
/// Whose word says who goes first of those (ours): kNone: all are equal.
enum class SharePriority { kNone, kPod };

/// `devices:` of a sharing entry, in each of its forms.
struct AllDevices {};
struct DeviceCount {
  std::uint64_t value = 0;
};
/// Entries as written: a GPU index, "gpu:mig", or a UUID.
struct DeviceRefs {
  std::vector<std::string> values;
};
using DeviceSelection = std::variant<AllDevices, DeviceCount, DeviceRefs>;

/// One entry of `sharing.<strategy>.resources`.
///
/// Unless Settings::custom_sharing, `rename` is what renameByDefault gives and
/// `devices` is AllDevices, whatever the file says: NVIDIA's behaviour. Of
/// `sharing.shares` both are always as written.
struct ReplicatedResource {
  std::string name;    ///< With its domain: "nvidia.com/gpu".
  std::string rename;  ///< Name to advertise; equal to `name` when not renamed.
  DeviceSelection devices = AllDevices{};
  std::uint64_t replicas = 0;  ///< From 2 to kMaxReplicas.
};

/// The most replicas one entry may ask for. The kubelet reads a device list as
/// one gRPC message of at most 4 MiB (it leaves gRPC-Go's default in force:
/// pkg/kubelet/cm/devicemanager, dial), and a replica takes up to 72 bytes
/// there: 48 for "GPU-<uuid>::<6 digits>", 7 for "Healthy", 17 for a NUMA
/// node, field tags and lengths. More could not be told to the kubelet even
/// for a single GPU.
inline constexpr std::uint64_t kMaxReplicas = (4ULL << 20U) / 72;

/// The most shares of one GPU: a share is a hundredth of it, or more.
inline constexpr std::uint64_t kMostShares = 100;

/// `sharing.timeSlicing`, `sharing.mps` or `sharing.shares`.
struct Replication {
  bool rename_by_default = false;
  bool fail_requests_greater_than_one = false;
  bool fail_requests_given = false;  ///< The file says so; only printed.
  std::vector<ReplicatedResource> resources;
  HolderLimits limits = HolderLimits::kNone;  ///< Of timeSlicing alone.
  OnUnsupported on_unsupported = OnUnsupported::kRefuse;  ///< Not of mps.
  ComputePolicy compute = ComputePolicy::kFair;           ///< Of shares alone.
  SharePriority priority = SharePriority::kNone;          ///< Likewise.
};

/// Where the agent puts the labels of feature discovery.
enum class LabelTarget { kOff, kFile, kNode, kNodeFeature };

/// The labels that the agent itself writes (ours).
struct Labelling {
  LabelTarget target = LabelTarget::kOff;
  bool overwrites = false;  ///< Also what others have set, on the Node.
  bool has_timestamp = true;
  std::string output_file;
  std::string machine_type_file;  ///< Below host_root; empty: none.
  std::string space;  ///< Namespace of the NodeFeature, and of this Pod.
  std::string pod;    ///< This Pod; empty: not known, or none.
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): there is one.
struct Settings {
  MigStrategy mig_strategy = MigStrategy::kNone;
  bool fail_on_init_error = true;
  std::string driver_root = "/";  ///< On the host.
  std::string dev_root = "/";     ///< On the host; prefix of device nodes.
  std::string driver_root_ctr_path =
      "/driver-root";    ///< As this process sees it.
  std::string mps_root;  ///< On the host; empty: MPS not set up.
  bool gdrcopy_enabled = false;
  bool gds_enabled = false;
  bool mofed_enabled = false;
  DiscoveryStrategy discovery_strategy = DiscoveryStrategy::kAuto;

  bool pass_device_specs = false;
  std::vector<DeviceListStrategy> device_list_strategies = {
      DeviceListStrategy::kEnvvar};
  DeviceIdStrategy device_id_strategy = DeviceIdStrategy::kUuid;
  std::string cdi_annotation_prefix = "cdi.k8s.io/";
  std::string nvidia_cdi_hook_path = "/usr/bin/nvidia-ctk";
  AllocationPolicy allocation_policy = AllocationPolicy::kDistributed;

  std::vector<int> imex_channel_ids;  ///< Empty or {0}.
  bool imex_required = false;

  std::optional<Replication> time_slicing;
  std::optional<Replication> mps;
  std::optional<Replication> shares;  ///< Never beside one of the others.
  /// True: `rename` and `devices` of sharing entries are honoured (ours).
  bool custom_sharing = false;

  std::vector<std::string> cdi_feature_flags;
  std::vector<std::string> cdi_disable_hooks;  ///< "all": no hooks at all.

  /// Registration socket as this process sees it; empty: do not register.
  std::string kubelet_socket = "/var/lib/kubelet/device-plugins/kubelet.sock";

  // Ours, without a counterpart in NVIDIA's plugin.
  std::string listen_address;  ///< Of /healthz and its kin; empty: none.
  /// After a failure; nothing: unhealthy until the agent starts anew.
  std::optional<std::chrono::seconds> health_quiet_period =
      std::chrono::minutes(1);
  std::string nvml_library;     ///< File to load; empty: look for it.
  std::string host_root = "/";  ///< Prefix of /proc, /sys and /dev.
  /// The kubelet's PodResources API; empty: it is not asked.
  std::string pod_resources_socket =
      "/var/lib/kubelet/pod-resources/kubelet.sock";
  /// libgpunode-cuda.so as this process sees it.
  std::string share_library = "/usr/lib/gpunode/libgpunode-cuda.so";
  /// The node's runtime is to honour nothing but grants (docs/adr/0011).
  bool require_allocation = false;
  Labelling labelling;
  std::string kubeconfig;  ///< Empty: the Pod's service account.
  std::string node_name;   ///< In the cluster; empty: not known.
  /// Another device plugin is not waited for. Read once, at the start.
  bool take_over = false;
  /// What a take-over changed on the Node is put back. Not with `take_over`.
  bool give_back = false;
  log::Level log_level = log::Level::kInfo;

  bool includes(DeviceListStrategy strategy) const {
    for (const DeviceListStrategy one : device_list_strategies) {
      if (one == strategy) return true;
    }
    return false;
  }

  /// kShares if there are any; else kMps if any MPS entry replicates, else
  /// kTimeSlicing likewise, else kNone: NVIDIA's order, in which MPS silently
  /// wins when both are configured.
  SharingStrategy sharing_strategy() const {
    if (shares && !shares->resources.empty()) return SharingStrategy::kShares;
    if (mps && !mps->resources.empty()) return SharingStrategy::kMps;
    if (time_slicing && !time_slicing->resources.empty()) {
      return SharingStrategy::kTimeSlicing;
    }
    return SharingStrategy::kNone;
  }

  /// Renames and selections of devices count.
  bool honours_selections() const {
    return custom_sharing || sharing_strategy() == SharingStrategy::kShares;
  }

  /// Containers may be held to less than the GPU has.
  bool limits_holders() const {
    const Replication* const active = replication();
    return active != nullptr &&
           (sharing_strategy() == SharingStrategy::kShares ||
            active->limits != HolderLimits::kNone);
  }

  /// The active Replication, or nullptr for kNone.
  const Replication* replication() const {
    switch (sharing_strategy()) {
      case SharingStrategy::kMps:
        return &*mps;
      case SharingStrategy::kTimeSlicing:
        return &*time_slicing;
      case SharingStrategy::kShares:
        return &*shares;
      case SharingStrategy::kNone:
        break;
    }
    return nullptr;
  }
};

}  // namespace gpunode::config
