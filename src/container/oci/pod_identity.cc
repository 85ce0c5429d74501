#include "container/oci/pod_identity.h"

#include <algorithm>

#include "base/core/ascii.h"

namespace gpunode::oci {
namespace {

/// What the engine says. Each writes its own keys over a Pod's, but passes a
/// Pod's annotation with the other engine's key on: where the two disagree one
/// of them is a Pod's invention, and nothing is known.
std::string agreed(const ContainerConfig& config, std::string_view containerd,
                   std::string_view crio) {
  const auto first = config.find_annotation(containerd);
  const auto second = config.find_annotation(crio);
  if (first && second && *first != *second) return {};
  return std::string(first ? *first : second.value_or(""));
}

/// The length of the Pod's UID at the start of `text`: a UUID, or the 32 hex
/// digits that static Pods have.
std::size_t uid_length(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), [](char c) {
    return is_hex_digit(c) || c == '-' || c == '_';
  });
  const auto length = static_cast<std::size_t>(end - text.begin());
  return length == 36 || length == 32 ? length : 0;
}

}  // namespace

std::string pod_uid_of_cgroup(std::string_view cgroups_path) {
  // The last "pod" of the kubelet's own part: a parent may be "kubepods".
  for (std::size_t at = cgroups_path.rfind("pod");
       at != std::string_view::npos && at > 0;
       at = cgroups_path.rfind("pod", at - 1)) {
    const char before = cgroups_path[at - 1];
    if (before != '-' && before != '/') continue;
    const std::string_view rest = cgroups_path.substr(at + 3);
    const std::size_t length = uid_length(rest);
    if (length == 0) continue;
    std::string uid(rest.substr(0, length));
    // systemd reads '-' as a level of its hierarchy, so the kubelet writes '_'.
    std::replace(uid.begin(), uid.end(), '_', '-');
    return uid;
  }
  return {};
}

PodIdentity read_pod_identity(const ContainerConfig& config) {
  PodIdentity identity;
  identity.pod_uid =
      agreed(config, "io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid");
  identity.pod_namespace = agreed(config, "io.kubernetes.cri.sandbox-namespace",
                                  "io.kubernetes.pod.namespace");
  identity.pod_name = agreed(config, "io.kubernetes.cri.sandbox-name",
                             "io.kubernetes.pod.name");
  identity.container_name = agreed(config, "io.kubernetes.cri.container-name",
                                   "io.kubernetes.container.name");
  identity.image = agreed(config, "io.kubernetes.cri.image-name",
                          "io.kubernetes.cri-o.ImageName");
  const std::string from_cgroup = pod_uid_of_cgroup(config.cgroups_path);
  if (from_cgroup.empty()) return identity;
  if (identity.pod_uid.empty()) {
    identity.pod_uid = from_cgroup;
  } else if (identity.pod_uid != from_cgroup) {
    identity.pod_uid.clear();
  }
  return identity;
}

}  // namespace gpunode::oci
