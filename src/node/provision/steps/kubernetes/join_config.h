// What kubeadm is told to join by. Pure.
#pragma once

#include <string>
#include <string_view>

#include "node/provision/kubernetes_spec.h"

namespace gpunode::provision {

/// Where the token belongs in a configuration: it is put there when kubeadm
/// runs, and nowhere before.
inline constexpr std::string_view kTokenPlace = "@TOKEN@";

/// Where containerd answers.
inline constexpr const char* kContainerdSocket =
    "/run/containerd/containerd.sock";

/// A JoinConfiguration of the version that kubeadm of `spec.version` reads:
/// v1beta2 up to 1.21, v1beta3 from 1.22, v1beta4 from 1.31 (kubeadm's
/// cmd/kubeadm/app/apis/kubeadm and its notes on migration). `node` is the
/// Node's name.
std::string join_configuration(const KubernetesSpec& spec,
                               const std::string& node);

}  // namespace gpunode::provision
