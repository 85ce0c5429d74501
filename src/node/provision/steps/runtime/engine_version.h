// Which containerd a host has, and whether it goes with a Kubernetes. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "container/engines/containerd_version.h"
#include "node/provision/step.h"

namespace gpunode::provision {

/// The package that containerd comes in, of whoever; nullptr if there is none.
/// A host has one of them at most.
const char* installed_engine(const facts::HostFacts& facts);

/// By its package; nothing of one that no package brought.
std::optional<engines::ContainerdVersion> engine_version(
    const facts::HostFacts& facts);

/// "1.7" or "1.7.25" as numbers.
std::optional<engines::ContainerdVersion> parse_engine_version(
    std::string_view version);

struct EngineSkew {
  std::string trouble = {};  ///< Why it can't work; empty: it can.
  std::string note = {};     ///< Worth knowing.
};
/// Of containerd with the kubelet of that Kubernetes; nothing of an unknown
/// one.
EngineSkew engine_skew(const engines::ContainerdVersion& engine,
                       std::string_view kubernetes);

/// "registry.k8s.io/pause:3.8": what kubeadm of that version names; "" of a
/// version that this table does not have.
std::string pause_image(std::string_view kubernetes);

}  // namespace gpunode::provision
