// Replication: Devices offered as several Replicas each, as `sharing:` says.
#pragma once

#include <vector>

#include "agent/config/settings.h"
#include "agent/resource/device_groups.h"
#include "agent/resource/problem.h"
#include "agent/resource/resource.h"

namespace gpunode::resource {

/// What the kubelet takes of one Resource: its gRPC client refuses messages
/// over 4 MiB (gRPC's default, which it leaves alone), and an entry of the list
/// is at most 80 bytes.
inline constexpr std::uint64_t kMaxReplicaCount = 50'000;

/// Turns groups into Resources, by name. Entries for names that have no
/// Devices are ignored, as NVIDIA's plugin does; so is, of two entries for
/// the same Devices, the one with fewer Replicas (there, the union is
/// offered). With Settings::custom_sharing, entries apply to the Devices they
/// select and the others stay unshared under the plain name.
///
/// A selected Device that is not there, or a count that is too large, is a
/// Problem and the rest of the entry applies. A Resource is left out, never
/// offered unshared, when it is MIG under MPS, when its new name is invalid,
/// and when it would have more than kMaxReplicaCount Replicas.
std::vector<Resource> replicate(DeviceGroups groups,
                                const config::Settings& settings,
                                Problems& problems);

}  // namespace gpunode::resource
